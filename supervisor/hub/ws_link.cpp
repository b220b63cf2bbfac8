// The WebSocket connection: Beast, TLS and sockets live in this file and nowhere else in the hub link.
// Callbacks, not coroutines: each step names the next one, and g++ 12 miscompiles too many co_await patterns.

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <deque>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "ipc/text/people.h"
#include "ipc/web/base64.h"
#include "supervisor/base/time.h"
#include "supervisor/hub/link.h"

namespace emprops::hub {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
namespace ssl = asio::ssl;
using tcp = asio::ip::tcp;
using beast::error_code;

using PlainStream = websocket::stream<beast::tcp_stream>;
using TlsStream = websocket::stream<beast::ssl_stream<beast::tcp_stream>>;

/// How long a close may take: what is queued, the close frame, the peer's answer.
constexpr Ms close_timeout{2000};
/// After a failed write the reason for it may still arrive as a close frame (1009: too large).
constexpr Ms last_words{500};
/// Larger than Beast's 4 KiB: a result of 16 MiB leaves in pieces of this size, with pongs in between.
constexpr std::size_t write_piece_bytes = 64 * 1024;
/// What may wait to be written, at least (see Link::queued_bytes).
constexpr std::size_t least_queue_limit = std::size_t{64} << 20;
/// A read buffer that grew beyond this for one large frame is given back.
constexpr std::size_t keep_buffer_bytes = 1 << 20;

/// One attempt and the connection it becomes. Kept alive by its pending operations.
class Connection {
  public:
    virtual ~Connection() = default;
    virtual void start() = 0;
    virtual void send(std::string text, bool first) = 0;
    virtual void close(std::string reason) = 0;
    virtual void drop() = 0;
    virtual std::size_t queued_bytes() const = 0;
};

template <class Ws>
class WsConnection final : public Connection, public std::enable_shared_from_this<WsConnection<Ws>> {
    static constexpr bool is_tls = std::is_same_v<Ws, TlsStream>;

  public:
    template <class... StreamArgs>
    WsConnection(const asio::any_io_executor& executor, config::HubSettings settings, Target target,
                 std::optional<Proxy> proxy, Link::Handlers handlers, std::shared_ptr<ssl::context> tls,
                 StreamArgs&&... stream_args)
        : settings_(std::move(settings)),
          target_(std::move(target)),
          proxy_(std::move(proxy)),
          handlers_(std::move(handlers)),
          tls_(std::move(tls)),
          resolver_(executor),
          deadline_(executor),
          ws_(executor, std::forward<StreamArgs>(stream_args)...) {}

    void start() override {
        arm(settings_.connect_timeout, "no connection within " + human_duration(settings_.connect_timeout));
        const std::string& host = proxy_ ? proxy_->host : target_.host;
        const std::uint16_t port = proxy_ ? proxy_->port : target_.port;
        step_ = "cannot resolve " + host;
        resolver_.async_resolve(
            host, std::to_string(port),
            [self = this->shared_from_this()](error_code error, tcp::resolver::results_type found) {
                self->on_resolved(error, found);
            });
    }

    void send(std::string text, bool first) override {
        if (finished_ || closing_) return;
        queued_bytes_ += text.size();
        if (queued_bytes_ > std::max(least_queue_limit, 4 * settings_.send_limit))
            return finish("the Hub takes too little of what it is sent: " + std::to_string(queued_bytes_) +
                          " bytes wait to be written");
        (first ? first_ : queue_).push_back(std::move(text));
        if (open_ && !writing_) write_next();
    }

    void close(std::string reason) override {
        if (finished_ || closing_) return;
        closing_ = true;
        close_reason_ = reason.substr(0, 120);
        if (!open_) return finish(close_reason_);
        arm(close_timeout, close_reason_);
        if (!writing_) write_next();
    }

    void drop() override {
        handlers_ = {};
        finish("dropped");
    }

    std::size_t queued_bytes() const override { return queued_bytes_; }

  private:
    beast::tcp_stream& socket() { return beast::get_lowest_layer(ws_); }

    void arm(Ms timeout, std::string reason) {
        deadline_.expires_after(timeout);
        deadline_.async_wait([self = this->shared_from_this(), reason = std::move(reason)](error_code error) {
            if (!error) self->finish(reason);
        });
    }

    bool failed(const error_code& error) {
        if (finished_) return true;
        if (!error) return false;
        finish(step_ + ": " + error.message());
        return true;
    }

    void finish(const std::string& reason) {
        if (finished_) return;
        finished_ = true;
        deadline_.cancel();
        resolver_.cancel();
        socket().close();
        first_.clear();
        queue_.clear();
        queued_bytes_ = 0;
        // Posted: handlers are never called from inside connect(), send() or close().
        if (handlers_.on_closed)
            asio::post(deadline_.get_executor(), [self = this->shared_from_this(), reason] {
                const auto handlers = std::exchange(self->handlers_, {});
                if (handlers.on_closed) handlers.on_closed(reason);
            });
    }

    // ---- connect, one address after the other

    void on_resolved(const error_code& error, const tcp::resolver::results_type& found) {
        if (failed(error)) return;
        for (const auto& entry : found)
            addresses_.push_back(entry.endpoint());
        // A silent first address must not eat the whole time.
        attempt_timeout_ = settings_.connect_timeout / static_cast<int>(addresses_.size() + 1);
        try_address(0, asio::error::host_not_found);
    }

    void try_address(std::size_t index, const error_code& last_error) {
        if (finished_) return;
        if (index == addresses_.size()) {
            finish(step_ + ": " + (last_error == beast::error::timeout ? "no answer" : last_error.message()));
            return;
        }
        const tcp::endpoint& endpoint = addresses_[index];
        step_ = "cannot connect to " + (proxy_ ? "the proxy " + proxy_->host : target_.authority()) + " (" +
                endpoint.address().to_string() + ")";
        socket().expires_after(attempt_timeout_);
        socket().async_connect(endpoint, [self = this->shared_from_this(), index](error_code error) {
            if (self->finished_) return;
            if (error) {
                self->socket().close();
                return self->try_address(index + 1, error);
            }
            self->socket().expires_never();
            self->socket().socket().set_option(tcp::no_delay(true), error);
            self->proxy_ ? self->ask_proxy() : self->start_tls();
        });
    }

    void ask_proxy() {
        step_ = "no answer from the proxy " + proxy_->host;
        const std::string authority =
            (target_.host.find(':') == std::string::npos ? target_.host : "[" + target_.host + "]") + ":" +
            std::to_string(target_.port);
        proxy_request_ = {http::verb::connect, authority, 11};
        proxy_request_.set(http::field::host, authority);
        if (!proxy_->user_password.empty())
            proxy_request_.set(http::field::proxy_authorization,
                               "Basic " + web::base64_encode(proxy_->user_password));
        http::async_write(socket(), proxy_request_,
                          [self = this->shared_from_this()](error_code error, std::size_t) {
                              if (!self->failed(error)) self->read_proxy_answer();
                          });
    }

    void read_proxy_answer() {
        proxy_answer_.emplace();
        proxy_answer_->skip(true);
        http::async_read_header(socket(), buffer_, *proxy_answer_,
                                [self = this->shared_from_this()](error_code error, std::size_t) {
                                    if (self->failed(error)) return;
                                    const auto& answer = self->proxy_answer_->get();
                                    if (answer.result_int() / 100 != 2)
                                        return self->finish("the proxy " + self->proxy_->host +
                                                            " refused the connection: HTTP " +
                                                            std::to_string(answer.result_int()));
                                    self->buffer_.clear();
                                    self->start_tls();
                                });
    }

    void start_tls() {
        if constexpr (is_tls) {
            step_ = "no TLS connection to " + target_.authority();
            auto& stream = ws_.next_layer();
            error_code ignored;
            asio::ip::make_address(target_.host, ignored);
            if (ignored) SSL_set_tlsext_host_name(stream.native_handle(), target_.host.c_str());
            if (settings_.tls_verify) stream.set_verify_callback(ssl::host_name_verification(target_.host));
            stream.async_handshake(ssl::stream_base::client, [self = this->shared_from_this()](
                                                                 error_code error) {
                if (error && !self->finished_) {
                    const long verdict = SSL_get_verify_result(self->ws_.next_layer().native_handle());
                    if (verdict != X509_V_OK)
                        return self->finish(self->step_ + ": its certificate is not accepted (" +
                                            X509_verify_cert_error_string(verdict) +
                                            "); set hub.ca_file if it is signed by an authority of your own");
                }
                if (!self->failed(error)) self->start_websocket();
            });
        } else {
            start_websocket();
        }
    }

    void start_websocket() {
        step_ = "no WebSocket at " + target_.printable;
        websocket::stream_base::timeout timeouts{};
        timeouts.handshake_timeout = settings_.connect_timeout;
        timeouts.idle_timeout = settings_.idle_timeout;
        timeouts.keep_alive_pings = true;  // at half of the idle timeout
        ws_.set_option(timeouts);
        ws_.set_option(websocket::stream_base::decorator([](websocket::request_type& request) {
            request.set(http::field::user_agent, "emprops-worker");
        }));
        ws_.read_message_max(settings_.receive_limit);
        ws_.write_buffer_bytes(write_piece_bytes);
        ws_.text(true);
        ws_.async_handshake(
            answer_, target_.authority(), target_.path_and_query,
            [self = this->shared_from_this()](error_code error) { self->on_handshake(error); });
    }

    void on_handshake(const error_code& error) {
        if (!finished_ && error == websocket::error::upgrade_declined)
            return finish(
                step_ + ": the answer was HTTP " + std::to_string(answer_.result_int()) +
                (answer_.result_int() == 403 ? " (a Hub answers so when it does not know the path)" : ""));
        if (failed(error)) return;
        deadline_.cancel();
        open_ = true;
        read_next();
        if (handlers_.on_connected) handlers_.on_connected();
        if (open_ && !writing_ && !finished_) write_next();
    }

    // ---- talk

    void read_next() {
        ws_.async_read(buffer_, [self = this->shared_from_this()](error_code error, std::size_t) {
            if (self->finished_) return;
            if (error) return self->finish(self->read_failure(error));
            const auto data = self->buffer_.cdata();
            if (self->handlers_.on_frame)
                self->handlers_.on_frame(
                    std::string_view(static_cast<const char*>(data.data()), data.size()));
            if (self->finished_) return;
            self->buffer_.clear();
            if (self->buffer_.capacity() > keep_buffer_bytes) self->buffer_ = beast::flat_buffer();
            self->read_next();
        });
    }

    std::string read_failure(const error_code& error) const {
        if (closing_) return close_reason_;
        if (error == websocket::error::closed) {
            std::string text = "the Hub closed the connection (" + std::to_string(ws_.reason().code);
            if (!ws_.reason().reason.empty()) text += ", " + std::string(ws_.reason().reason.c_str());
            return text + ")";
        }
        if (error == beast::error::timeout)
            return "no sign of life from the Hub for " + human_duration(settings_.idle_timeout);
        if (error == websocket::error::message_too_big)
            return "the Hub sent a message above hub.receive_limit (" +
                   std::to_string(settings_.receive_limit) + " bytes)";
        if (error == asio::error::eof || error == asio::error::connection_reset ||
            error == ssl::error::stream_truncated)
            return "the connection broke off";
        return "reading from the Hub failed: " + error.message();
    }

    void write_next() {
        if (finished_ || !open_) return;
        auto& next = first_.empty() ? queue_ : first_;
        if (next.empty()) {
            if (closing_) send_close();
            return;
        }
        writing_ = true;
        current_ = std::move(next.front());
        next.pop_front();
        ws_.async_write(asio::buffer(current_),
                        [self = this->shared_from_this()](error_code error, std::size_t) {
                            self->writing_ = false;
                            if (self->finished_) return;
                            if (error)
                                return self->arm(last_words, "writing to the Hub failed: " + error.message());
                            self->queued_bytes_ -= self->current_.size();
                            self->current_ = std::string();
                            self->write_next();
                        });
    }

    void send_close() {
        if (close_sent_) return;
        close_sent_ = true;
        websocket::close_reason reason(websocket::close_code::normal);
        reason.reason = close_reason_;
        ws_.async_close(reason,
                        [self = this->shared_from_this()](error_code) { self->finish(self->close_reason_); });
    }

    config::HubSettings settings_;
    Target target_;
    std::optional<Proxy> proxy_;
    Link::Handlers handlers_;
    std::shared_ptr<ssl::context> tls_;
    tcp::resolver resolver_;
    asio::steady_timer deadline_;
    Ws ws_;

    std::vector<tcp::endpoint> addresses_;
    Ms attempt_timeout_{0};
    std::string step_;  ///< what fails if the next thing fails
    http::request<http::empty_body> proxy_request_;
    std::optional<http::response_parser<http::empty_body>> proxy_answer_;
    websocket::response_type answer_;
    beast::flat_buffer buffer_;
    std::deque<std::string> first_;  ///< goes before queue_
    std::deque<std::string> queue_;
    std::string current_;
    std::size_t queued_bytes_ = 0;
    std::string close_reason_;
    bool open_ = false;
    bool writing_ = false;
    bool closing_ = false;
    bool close_sent_ = false;
    bool finished_ = false;
};

Result<std::shared_ptr<ssl::context>> make_tls(const config::HubSettings& settings) {
    auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
    error_code error;
    const auto fail = [&](const std::string& what, const std::filesystem::path& file) {
        return Error{"bad_tls_file", what + " " + file.string() + ": " + error.message()};
    };
    SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
    context->set_verify_mode(settings.tls_verify ? ssl::verify_peer : ssl::verify_none);
    if (context->set_default_verify_paths(error); error)
        return fail("cannot load the system's authorities", "");
    if (!settings.ca_file.empty())
        if (context->load_verify_file(settings.ca_file.string(), error); error)
            return fail("cannot use hub.ca_file", settings.ca_file);
    if (settings.client_certificate.empty()) return context;
    if (context->use_certificate_chain_file(settings.client_certificate.string(), error); error)
        return fail("cannot use hub.client_certificate", settings.client_certificate);
    const auto& key = settings.client_key.empty() ? settings.client_certificate : settings.client_key;
    if (context->use_private_key_file(key.string(), ssl::context::pem, error); error)
        return fail("cannot use hub.client_key", key);
    return context;
}

class WsLink final : public Link {
  public:
    WsLink(const asio::any_io_executor& executor, const config::HubSettings& settings)
        : executor_(executor), settings_(settings) {}
    ~WsLink() override { drop(); }

    void connect(Target target, std::optional<Proxy> proxy, Handlers handlers) override {
        drop();
        if (!target.tls) {
            connection_ = std::make_shared<WsConnection<PlainStream>>(
                executor_, settings_, std::move(target), std::move(proxy), std::move(handlers), nullptr);
        } else {
            auto tls = make_tls(settings_);
            if (!tls.ok()) {
                asio::post(executor_, [closed = std::move(handlers.on_closed), why = tls.error().message] {
                    closed(why);
                });
                return;
            }
            connection_ = std::make_shared<WsConnection<TlsStream>>(
                executor_, settings_, std::move(target), std::move(proxy), std::move(handlers), *tls, **tls);
        }
        connection_->start();
    }
    void send(std::string text) override {
        if (connection_) connection_->send(std::move(text), false);
    }
    void send_first(std::string text) override {
        if (connection_) connection_->send(std::move(text), true);
    }
    void close(std::string reason) override {
        if (connection_) connection_->close(std::move(reason));
    }
    void drop() override {
        if (connection_) std::exchange(connection_, nullptr)->drop();
    }
    std::size_t queued_bytes() const override { return connection_ ? connection_->queued_bytes() : 0; }

  private:
    asio::any_io_executor executor_;
    config::HubSettings settings_;
    std::shared_ptr<Connection> connection_;
};

}  // namespace

std::unique_ptr<Link> make_ws_link(const asio::any_io_executor& executor,
                                   const config::HubSettings& settings) {
    return std::make_unique<WsLink>(executor, settings);
}

}  // namespace emprops::hub
