#pragma once
// One WebSocket connection, as the hub link uses it. An object makes one connection at a time and can be used
// again after it ended. Event loop thread only; handlers are called from the event loop, never from inside
// connect(), send() or close().

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "config/settings.h"
#include "supervisor/hub/url.h"

namespace boost::asio {
class any_io_executor;
}

namespace emprops::hub {

class Link {
  public:
    struct Handlers {
        std::function<void()> on_connected;
        std::function<void(std::string_view text)> on_frame;
        /// The connection ended or could not be made: exactly once per connect() unless drop() came first. A
        /// sentence for a person that never contains the token.
        std::function<void(std::string reason)> on_closed;
    };
    virtual ~Link() = default;

    /// `proxy`: ask it for a tunnel (CONNECT).
    virtual void connect(Target target, std::optional<Proxy> proxy, Handlers handlers) = 0;
    /// Queues a text frame; frames leave in order. Without effect when there is no connection.
    virtual void send(std::string text) = 0;
    /// As send(), but before every frame that waits and was not given here too. A frame that has begun ends
    /// first: messages of a WebSocket do not interleave (pings and pongs do: frames leave in fragments).
    virtual void send_first(std::string text) = 0;
    /// Sends what is queued, then a close frame; gives up after 2 s. on_closed follows.
    virtual void close(std::string reason) = 0;
    /// Ends it at once, without handlers.
    virtual void drop() = 0;
    /// Bytes queued and not yet taken by the socket; of a frame that has begun, the rest. After the end: what
    /// was left then, until the next connect(). Bounded: a connection whose peer takes less than 4 frames of
    /// hub.send_limit (at least 64 MiB) of what it is sent is ended.
    virtual std::size_t queued_bytes() const = 0;
};

/// The real one: TCP or TLS (verified by default), IPv6 and several addresses, pings. The kernel is given no
/// more than a slow line carries in a few seconds (pacing.h), and what the other side confirms counts as a
/// sign of life (liveness.h). Of `settings` the limits, timeouts and TLS files are used.
std::unique_ptr<Link> make_ws_link(const boost::asio::any_io_executor& executor,
                                   const config::HubSettings& settings);

}  // namespace emprops::hub
