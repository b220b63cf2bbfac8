#pragma once
// One HTTP connection of the server: REST requests, or the handshake of a WebSocket. Private to server.cpp.

#include <sys/socket.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "supervisor/local_hub/ws_session.h"

namespace emprops::local_hub {

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
    static constexpr auto header_timeout = 30s;
    static constexpr auto body_timeout = 120s;  // 128 MiB at about 1 MiB/s

    static std::string_view text_of(beast::string_view text) { return {text.data(), text.size()}; }
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
        if (!has_token(web::RequestTarget::parse(text_of(request.target())), true)) {
            return answer({401, R"({"detail":"Invalid token"})"}, false);
        }
        stream_.expires_never();  // a waiting submit has a limit of its own
        HttpRequest asked{std::string(text_of(request.method_string())),
                          std::string(text_of(request.target())), std::move(parser_->get().body())};
        waits_ = true;
        watch_client();
        const auto self = shared_from_this();
        state_->events.on_request(asked, {[self, keep_alive](HttpResponse response) {
                                              if (std::exchange(self->waits_, false))
                                                  self->answer(std::move(response), keep_alive);
                                          },
                                          [self] { return !self->waits_; }});
    }

    /// Whoever hangs up before the answer frees what waits for it. Looks without taking: what comes may be the
    /// next request, and then nothing more is looked for.
    void watch_client() {
        stream_.socket().async_wait(tcp::socket::wait_read, [self = shared_from_this()](ErrorCode error) {
            if (error || !self->waits_) return;
            char next = 0;
            const auto seen =
                ::recv(self->stream_.socket().native_handle(), &next, 1, MSG_PEEK | MSG_DONTWAIT);
            if (seen > 0) return;
            if (seen < 0 && (errno == EAGAIN || errno == EINTR)) return self->watch_client();
            self->waits_ = false;
            self->cut();
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
    bool waits_ = false;  ///< for our answer
};

}  // namespace emprops::local_hub
