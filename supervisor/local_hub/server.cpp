#include "supervisor/local_hub/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <deque>
#include <map>
#include <set>

#include "supervisor/base/log.h"
#include "supervisor/local_hub/gate.h"
#include "supervisor/local_hub/incoming_budget.h"

namespace emprops::local_hub {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using namespace std::chrono_literals;

constexpr auto header_timeout = 30s;
constexpr auto close_timeout = 5s;  // for the peer's half of a closing handshake
constexpr std::size_t read_at_once = 256 * 1024;
constexpr auto body_timeout = 120s;  // 128 MiB at about 1 MiB/s
constexpr auto goodbye_timeout = 2s;

std::string_view text_of(beast::string_view text) {
    return {text.data(), text.size()};
}

}  // namespace

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
    asio::steady_timer timer;  // a pause after a failed accept; after stop(): the end of patience
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

namespace {

using State = std::shared_ptr<Server::Impl>;

}  // namespace

/// One WebSocket. Lives as long as one of its operations is pending, or the table knows it.
class WsSession : public std::enable_shared_from_this<WsSession> {
  public:
    WsSession(State state, beast::tcp_stream stream, WebSocketPath path)
        : state_(std::move(state)), ws_(std::move(stream)), path_(std::move(path)) {
        ++state_->connections;
        state_->give_up[holder_] = [this](bool stalled) { give_up(stalled); };
    }
    ~WsSession() {
        --state_->connections;
        state_->incoming.release(holder_);
        state_->give_up.erase(holder_);
        state_->queued_bytes -= queued_bytes_;
    }

    void start(const http::request<http::string_body>& request, bool admitted) {
        beast::get_lowest_layer(ws_).expires_never();
        websocket::stream_base::timeout limits{};
        limits.handshake_timeout = close_timeout;
        limits.idle_timeout = state_->settings.idle_timeout;
        limits.keep_alive_pings = true;
        ws_.set_option(limits);
        // read_next() checks the size. Beast's own limit would cut the connection before its 1009 can be
        // read.
        ws_.read_message_max(0);
        // Memory doubles as a message grows, but not beyond what is read of the largest one.
        buffer_.max_size(state_->settings.max_message_bytes + read_at_once);
        ws_.auto_fragment(false);  // one message, one frame: limits of the peers count frames
        ws_.text(true);
        // Beast copies what it needs of the request before this returns.
        ws_.async_accept(request, [self = shared_from_this(), admitted](ErrorCode error) {
            if (error || self->state_->stopped) return self->cut();
            self->accepted(admitted);
        });
    }

    void send(std::vector<std::string> frames) {
        if (closing_ || gone_) return;
        std::uint64_t size = 0;
        for (auto& frame : frames) {
            size += frame.size();
            outgoing_.push_back({std::move(frame), std::nullopt});
        }
        queued_bytes_ += size;
        state_->queued_bytes += size;
        largest_ = std::max(largest_, size);
        if (queued_bytes_ > state_->settings.max_queue_bytes + largest_) return drop_unread();
        write_next();
        if (state_->queued_bytes > state_->settings.max_total_queue_bytes) state_->drop_the_slowest();
    }

    std::uint64_t queued_bytes() const { return gone_ ? 0 : queued_bytes_; }

    void drop_unread() {
        logger("local_hub")
            ->warn("{} does not read what it is sent ({} MiB wait): its connection is dropped", name(),
                   queued_bytes_ >> 20);
        report(false);
        cut();
        // What is being written lives until its operation has ended.
        while (outgoing_.size() > (writing_ ? 1u : 0u)) {
            queued_bytes_ -= outgoing_.back().text.size();
            state_->queued_bytes -= outgoing_.back().text.size();
            outgoing_.pop_back();
        }
    }

    /// `silent`: no event follows.
    void close(std::uint16_t code, const std::string& reason, bool silent) {
        if (silent) reported_ = true;
        if (closing_ || gone_) return;
        closing_ = true;
        websocket::close_reason why(static_cast<websocket::close_code>(code));
        why.reason = reason.substr(0, 120);
        outgoing_.push_back({{}, why});
        write_next();
    }

    void cut() {
        gone_ = true;
        beast::get_lowest_layer(ws_).close();
    }

  private:
    struct Outgoing {
        std::string text;
        std::optional<websocket::close_reason> close;
    };

    std::string name() const {
        const auto* kind = path_.role == Role::worker   ? "Worker"
                           : path_.role == Role::client ? "Client"
                                                        : "Monitor";
        return fmt::format("{} {}", kind, path_.id);
    }

    void accepted(bool admitted) {
        if (!admitted) {
            // The Hub's way to say it: 101, one error without a timestamp, close 1000.
            logger("local_hub")->warn("{} was refused: wrong token", name());
            send({R"({"type":"error","error":"Authentication failed: Invalid token"})"});
            close(1000, "", true);
        } else {
            id_ = ++state_->last_id;
            state_->sessions[id_] = shared_from_this();
            state_->events.on_open(id_, path_.role, path_.id);
        }
        read_next();
    }

    void read_next() {
        ws_.async_read_some(buffer_, read_at_once, [self = shared_from_this()](ErrorCode error, std::size_t) {
            if (error) return self->ended(error);
            if (self->buffer_.size() > self->state_->settings.max_message_bytes) return self->too_large();
            if (self->ws_.is_message_done()) {
                self->state_->incoming.release(self->holder_);
                self->received();
            } else if (!self->state_->takes(self->holder_, self->buffer_.size())) {
                return;
            } else if (!self->reported_) {
                self->state_->events.on_part(self->id_);
            }
            if (!self->gone_) self->read_next();
        });
    }

    void received() {
        if (ws_.got_binary() && !reported_) {
            report(false);
            close(1000, fmt::format("{} disconnected", name()), true);
        }
        if (!reported_) {
            const auto data = buffer_.cdata();
            state_->events.on_text(id_, {static_cast<const char*>(data.data()), data.size()});
        }
        buffer_.consume(buffer_.size());
        if (buffer_.capacity() > (std::size_t{1} << 20)) buffer_.shrink_to_fit();
    }

    /// Too much is arriving at once. A stalled one has a read pending, whose memory only its end frees.
    void give_up(bool stalled) {
        logger("local_hub")
            ->warn(
                "{} is dropped in the middle of a message of at least {} MiB: all that is arriving is more "
                "than {} MiB{}",
                name(), buffer_.size() >> 20, state_->settings.max_incoming_bytes() >> 20,
                stalled ? ", and it sends nothing more" : "");
        report(false);
        if (stalled) return cut();
        buffer_ = beast::flat_buffer();
        close(1013, "too much is arriving, try again later", true);
    }

    /// The close reads and forgets the rest of the message, so that a peer that still writes gets our reason.
    void too_large() {
        logger("local_hub")
            ->warn("{} sent a message above {} bytes (local_hub.max_message_bytes)", name(),
                   state_->settings.max_message_bytes);
        report(false);
        close(1009, "message too big", true);
    }

    void ended(ErrorCode error) {
        const bool said_goodbye = error == websocket::error::closed && !closing_;
        const auto code = ws_.reason().code;
        if (error == websocket::error::message_too_big) {
            logger("local_hub")
                ->warn("{} sent a message above {} MiB (local_hub.max_message_bytes)", name(),
                       state_->settings.max_message_bytes >> 20);
        }
        report(said_goodbye && (code == 1000 || code == 1001));
        gone_ = true;
    }

    void report(bool politely) {
        state_->forget(id_);
        if (std::exchange(reported_, true) || id_ == 0 || state_->stopped) return;
        state_->events.on_close(id_, politely);
    }

    void write_next() {
        if (writing_ || outgoing_.empty() || gone_) return;
        writing_ = true;
        auto& next = outgoing_.front();
        if (next.close) {
            ws_.async_close(*next.close, [self = shared_from_this()](ErrorCode) {
                self->state_->forget(self->id_);  // the pending read ends by itself
            });
            return;
        }
        ws_.async_write(asio::buffer(next.text), [self = shared_from_this()](ErrorCode error, std::size_t) {
            self->writing_ = false;
            if (error) return;  // the pending read tells of the end
            self->queued_bytes_ -= self->outgoing_.front().text.size();
            self->state_->queued_bytes -= self->outgoing_.front().text.size();
            self->outgoing_.pop_front();
            self->write_next();
        });
    }

    State state_;
    websocket::stream<beast::tcp_stream> ws_;
    WebSocketPath path_;
    ConnectionId id_ = 0;  // 0: not admitted
    const IncomingBudget::Holder holder_ = ++state_->last_holder;
    beast::flat_buffer buffer_;
    std::deque<Outgoing> outgoing_;
    std::uint64_t queued_bytes_ = 0;
    std::uint64_t largest_ = 0;
    bool writing_ = false;
    bool closing_ = false;   // a close frame is sent or waits to be
    bool gone_ = false;      // the socket is of no use any more
    bool reported_ = false;  // nothing is reported to the core (any more)
};

/// One HTTP connection: requests one after the other, or the handshake of a WebSocket.
class HttpSession : public std::enable_shared_from_this<HttpSession> {
  public:
    HttpSession(State state, tcp::socket socket) : state_(std::move(state)), stream_(std::move(socket)) {
        ++state_->connections;
        state_->http_sessions.insert(this);
        state_->give_up[holder_] = [this](bool stalled) { give_up(stalled); };
    }
    ~HttpSession() {
        state_->incoming.release(holder_);
        state_->give_up.erase(holder_);
        state_->http_sessions.erase(this);
        --state_->connections;
    }

    void read_next() {
        parser_.emplace();
        parser_->body_limit(state_->settings.max_message_bytes);
        stream_.expires_after(header_timeout);
        http::async_read_header(stream_, buffer_, *parser_,
                                [self = shared_from_this()](ErrorCode error, std::size_t) {
                                    if (self->state_->stopped) return;
                                    if (error == http::error::body_limit) return self->too_large();
                                    if (!error) self->got_header();
                                });
    }

    void cut() { stream_.close(); }

  private:
    std::string_view header(http::field field) const { return text_of(parser_->get()[field]); }

    void got_header() {
        const auto& request = parser_->get();
        if (!from_allowed_origin(header(http::field::origin), header(http::field::host),
                                 state_->loopback_only)) {
            logger("local_hub")
                ->warn("refused a request from a web page of {} (host {})", header(http::field::origin),
                       header(http::field::host));
            return answer({403, R"({"detail":"requests from other sites are refused"})"}, false);
        }
        if (websocket::is_upgrade(request)) return upgrade();
        stream_.expires_after(body_timeout);
        read_body();
    }

    /// Piece by piece: what has arrived of all bodies together is limited.
    void read_body() {
        if (parser_->is_done()) {
            state_->incoming.release(holder_);
            return got_request();
        }
        http::async_read_some(stream_, buffer_, *parser_,
                              [self = shared_from_this()](ErrorCode error, std::size_t) {
                                  if (self->state_->stopped) return;
                                  if (error == http::error::body_limit) return self->too_large();
                                  if (error) return;
                                  const auto held = self->parser_->get().body().size();
                                  if (self->state_->takes(self->holder_, held)) self->read_body();
                              });
    }

    void give_up(bool stalled) {
        logger("local_hub")
            ->warn("a request is dropped in the middle of its body: all that is arriving is more than {} MiB",
                   state_->settings.max_incoming_bytes() >> 20);
        if (stalled) return cut();
        parser_->get().body() = std::string();
        answer({503, R"({"detail":"too much is arriving, try again later"})"}, false);
    }

    void too_large() {
        answer({413, R"({"detail":"the request is larger than local_hub.max_message_bytes"})"}, false);
    }

    bool has_token(const web::RequestTarget& target, bool in_header_too) const {
        const auto& token = state_->settings.token;
        if (token.empty()) return true;
        if (const auto given = target.query.find("token");
            given != target.query.end() && same_token(token, given->second)) {
            return true;
        }
        constexpr std::string_view bearer = "Bearer ";
        const auto authorization = header(http::field::authorization);
        return in_header_too && authorization.starts_with(bearer) &&
               same_token(token, authorization.substr(bearer.size()));
    }

    void upgrade() {
        const auto target = web::RequestTarget::parse(text_of(parser_->get().target()));
        auto path = websocket_path(target);
        if (!path) return answer({403, R"({"detail":"not a WebSocket path of the hub"})"}, false);
        const bool admitted = has_token(target, false);
        const auto session = std::make_shared<WsSession>(state_, std::move(stream_), *std::move(path));
        session->start(parser_->get(), admitted);
    }

    void got_request() {
        const auto& request = parser_->get();
        const bool keep_alive = request.keep_alive();
        ErrorCode unknown;
        const auto peer = stream_.socket().remote_endpoint(unknown).address();
        if (!peer.is_loopback() && !has_token(web::RequestTarget::parse(text_of(request.target())), true)) {
            return answer({401, R"({"detail":"Invalid token"})"}, false);
        }
        stream_.expires_never();  // a waiting submit has a limit of its own
        HttpRequest asked{std::string(text_of(request.method_string())),
                          std::string(text_of(request.target())), std::move(parser_->get().body())};
        state_->events.on_request(asked, [self = shared_from_this(), keep_alive](HttpResponse response) {
            self->answer(std::move(response), keep_alive);
        });
    }

    void answer(HttpResponse response, bool keep_alive) {
        auto message = std::make_shared<http::response<http::string_body>>(
            static_cast<http::status>(response.status), 11, std::move(response.body));
        message->set(http::field::server, "emprops-worker local hub");
        message->set(http::field::content_type, "application/json");
        message->keep_alive(keep_alive);
        message->prepare_payload();
        stream_.expires_after(body_timeout);
        http::async_write(stream_, *message,
                          [self = shared_from_this(), message, keep_alive](ErrorCode error, std::size_t) {
                              if (error || self->state_->stopped) return;
                              if (keep_alive) return self->read_next();
                              ErrorCode ignored;
                              self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
                              self->stream_.expires_after(goodbye_timeout);
                              self->forget_rest();
                          });
    }

    /// Reads on until the peer ends: closing with unread bytes would destroy the answer on its way.
    void forget_rest() {
        buffer_.clear();
        stream_.async_read_some(buffer_.prepare(65536),
                                [self = shared_from_this()](ErrorCode error, std::size_t) {
                                    if (!error) self->forget_rest();
                                });
    }

    State state_;
    const IncomingBudget::Holder holder_ = ++state_->last_holder;
    beast::tcp_stream stream_;
    beast::flat_buffer buffer_;
    std::optional<http::request_parser<http::string_body>> parser_;
};

Result<> Server::Impl::open() {
    ErrorCode error;
    const auto host = settings.listen == "localhost" ? "127.0.0.1" : settings.listen;
    const auto address = asio::ip::make_address(host, error);
    if (error) {
        return Error{"listen_failed",
                     fmt::format("local_hub.listen = \"{}\" is no IP address", settings.listen)};
    }
    loopback_only = address.is_loopback();
    if (!loopback_only && settings.token.empty()) {
        return Error{"token_required",
                     fmt::format("local_hub.listen = \"{}\" lets other machines in: set local_hub.token, or "
                                 "listen on 127.0.0.1",
                                 settings.listen)};
    }
    const tcp::endpoint endpoint(address, settings.port);
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error == asio::error::address_in_use) {
        return Error{
            "address_in_use",
            fmt::format("{}:{} is in use: another hub runs there, or another program; stop it or set "
                        "local_hub.port",
                        settings.listen, settings.port)};
    }
    if (error) {
        return Error{"listen_failed", fmt::format("cannot listen on {}:{}: {}", settings.listen,
                                                  settings.port, error.message())};
    }
    accept_next();
    return Ok{};
}

void Server::Impl::accept_next() {
    acceptor.async_accept([self = shared_from_this()](ErrorCode error, tcp::socket socket) {
        if (self->stopped) return;
        if (error) {  // out of descriptors, most likely
            logger("local_hub")->warn("cannot accept a connection: {}", error.message());
            self->timer.expires_after(200ms);
            self->timer.async_wait([self](ErrorCode) {
                if (!self->stopped) self->accept_next();
            });
            return;
        }
        if (self->connections < self->settings.max_connections) {
            ErrorCode ignored;
            socket.set_option(tcp::no_delay(true), ignored);
            std::make_shared<HttpSession>(self, std::move(socket))->read_next();
        } else {
            logger("local_hub")->warn("refused a connection: there are {} already", self->connections);
        }
        self->accept_next();
    });
}

bool Server::Impl::takes(IncomingBudget::Holder holder, std::uint64_t held) {
    bool taken = true;
    for (const auto victim : incoming.hold(holder, held, Clock::now())) {
        taken = taken && victim != holder;
        if (const auto found = give_up.find(victim); found != give_up.end()) found->second(victim != holder);
    }
    return taken;
}

void Server::Impl::drop_the_slowest() {
    std::shared_ptr<WsSession> slowest;
    for (const auto& [id, session] : sessions)
        if (!slowest || session->queued_bytes() > slowest->queued_bytes()) slowest = session;
    if (slowest) slowest->drop_unread();
}

void Server::Impl::stop() {
    if (std::exchange(stopped, true)) return;
    ErrorCode ignored;
    acceptor.close(ignored);
    for (auto* session : http_sessions)
        session->cut();
    const auto open = sessions;
    for (const auto& [id, session] : open)
        session->close(1012, "", true);
    if (open.empty()) return void(timer.cancel());
    timer.expires_after(goodbye_timeout);
    timer.async_wait([open](ErrorCode) {
        for (const auto& [id, session] : open)
            session->cut();
    });
}

Server::Server(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
    stop();
}

Result<std::unique_ptr<Server>> Server::listen(asio::any_io_executor executor, ServerSettings settings,
                                               ServerEvents events) {
    auto impl = std::make_shared<Impl>(std::move(executor), std::move(settings), std::move(events));
    if (auto opened = impl->open(); !opened.ok()) return opened.error();
    return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::uint16_t Server::port() const {
    ErrorCode error;
    return impl_->acceptor.local_endpoint(error).port();
}

void Server::send(ConnectionId connection, std::vector<std::string> frames) {
    const auto found = impl_->sessions.find(connection);
    if (found == impl_->sessions.end()) return;
    const auto session = found->second;  // send() may drop it
    session->send(std::move(frames));
}

void Server::close(ConnectionId connection, std::uint16_t code, const std::string& reason) {
    const auto found = impl_->sessions.find(connection);
    if (found == impl_->sessions.end()) return;
    found->second->close(code, reason, true);
}

void Server::stop() {
    impl_->stop();
}

}  // namespace emprops::local_hub
