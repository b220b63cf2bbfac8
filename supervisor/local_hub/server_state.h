#pragma once
// What the connections of the server share. server.cpp's own, as are ws_session.h and http_session.h; nobody
// else sees Boost.Beast.

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "supervisor/base/timer.h"
#include "supervisor/local_hub/incoming_budget.h"
#include "supervisor/local_hub/server.h"

namespace emprops::local_hub {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using namespace std::chrono_literals;

inline constexpr auto close_timeout = 5s;  // for the peer's half of a closing handshake
inline constexpr auto goodbye_timeout = 2s;

class WsSession;
class HttpSession;

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
    Impl(asio::any_io_executor executor_, ServerSettings settings_, ServerEvents events_)
        : executor(std::move(executor_)),
          settings(std::move(settings_)),
          events(std::move(events_)),
          acceptor(executor),
          timer(executor),
          incoming(settings.max_incoming_bytes()) {}

    asio::any_io_executor executor;
    ServerSettings settings;
    ServerEvents events;
    tcp::acceptor acceptor;
    Timer timer;  // a pause after a failed accept; after stop(): the end of patience
    bool loopback_only = true;
    bool stopped = false;
    ConnectionId last_id = 0;
    std::size_t connections = 0;
    std::map<ConnectionId, std::shared_ptr<WsSession>> sessions;
    std::set<HttpSession*> http_sessions;
    IncomingBudget incoming;
    IncomingBudget::Holder last_holder = 0;
    /// Who holds a part of `incoming`, and how it gives up. `stalled`: it waits for its peer.
    std::map<IncomingBudget::Holder, std::function<void(bool stalled)>> give_up;
    std::uint64_t queued_bytes = 0;  // waiting for all peers together

    Result<> open();
    void accept_next();
    /// False: `holder` itself was given up.
    bool takes(IncomingBudget::Holder holder, std::uint64_t bytes);
    void drop_the_slowest();
    void forget(ConnectionId id) {
        sessions.erase(id);
        if (stopped && sessions.empty()) timer.cancel();  // nobody is left to wait for
    }
    void stop();
};

using State = std::shared_ptr<Server::Impl>;

}  // namespace emprops::local_hub
