#pragma once
// The sockets of the hub: HTTP and WebSocket on one port (Boost.Beast, which only server.cpp sees). Knows
// paths, tokens, origins, sizes and pings; knows nothing of jobs. Owned by LocalHub; event loop thread only.

#include <algorithm>
#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/result.h"
#include "supervisor/local_hub/rest.h"
#include "supervisor/local_hub/types.h"

namespace emprops::local_hub {

struct ServerSettings {
    std::string listen = "127.0.0.1";
    std::uint16_t port = 0;
    std::string token;  ///< for WebSockets and REST, from this machine too; empty: none needed
    std::uint64_t max_message_bytes = std::uint64_t{128} << 20;
    /// Pings are sent at half of it; a peer without a byte for this long is gone. The Hub: 20 s + 20 s.
    Ms idle_timeout{40'000};
    /// What may wait for a slow peer beside its largest message; more drops it.
    std::uint64_t max_queue_bytes = std::uint64_t{64} << 20;
    /// What may wait for all peers together; beyond it the one for whom most waits is dropped.
    std::uint64_t max_total_queue_bytes = std::uint64_t{512} << 20;
    std::size_t max_connections = 1024;

    /// What may be arriving over all connections together: two of the largest messages, and never little.
    std::uint64_t max_incoming_bytes() const {
        return std::max(2 * max_message_bytes, std::uint64_t{64} << 20);
    }
};

struct ServerEvents {
    std::function<void(ConnectionId, Role, const std::string& id)> on_open;
    std::function<void(ConnectionId, std::string_view text)> on_text;
    /// A part of a text arrived and more is to come: a sign of life.
    std::function<void(ConnectionId)> on_part;
    /// `politely`: the peer said goodbye with 1000 or 1001. Not called for a connection that we closed and
    /// told the peer so, nor after stop().
    std::function<void(ConnectionId, bool politely)> on_close;
    std::function<void(const HttpRequest&, Reply)> on_request;
};

class Server {
  public:
    /// Errors: "address_in_use", "listen_failed", "token_required" (beyond loopback).
    static Result<std::unique_ptr<Server>> listen(boost::asio::any_io_executor executor,
                                                  ServerSettings settings, ServerEvents events);
    ~Server();  // as stop()

    std::uint16_t port() const;
    /// Each text is one frame. Ignored for a connection that is gone.
    void send(ConnectionId connection, std::vector<std::string> frames);
    /// After what was sent before; nothing is reported of this connection any more.
    void close(ConnectionId connection, std::uint16_t code, const std::string& reason);
    /// close() for every connection.
    void close_all(std::uint16_t code, const std::string& reason);
    /// Close 1012 to everybody; after 2 s without an answer the sockets are cut. No event follows.
    void stop();

    struct Impl;  // server.cpp's own

  private:
    explicit Server(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

}  // namespace emprops::local_hub
