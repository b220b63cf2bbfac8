// The WebSocket connection: Beast, TLS and sockets live in this file and nowhere else in the hub link.
// Callbacks, not coroutines: each step names the next one, and g++ 12 miscompiles too many co_await patterns.

#include <linux/sockios.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <sys/ioctl.h>

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
#include "supervisor/hub/liveness.h"
#include "supervisor/hub/pacing.h"
#include "supervisor/hub/tls_context.h"

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
/// A message leaves in fragments of this size, with pings and pongs in between: a third of a second at 50
/// kB/s.
constexpr std::size_t fragment_bytes = 16 * 1024;
/// How soon the kernel is looked at again when it holds as much as it may.
constexpr Ms kernel_look{20};
/// What is read at once; a part of a message is a sign of life.
constexpr std::size_t read_at_once = 256 * 1024;
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
          pace_(executor),
          watch_(executor),
          liveness_(settings_.idle_timeout, Clock::now()),
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
        if (queued_bytes_ + text.size() > std::max(least_queue_limit, 4 * settings_.send_limit))
            return finish("the Hub takes too little of what it is sent: " + std::to_string(queued_bytes_) +
                          " bytes wait to be written");
        queued_bytes_ += text.size();
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
        pace_.cancel();
        watch_.cancel();
        resolver_.cancel();
        socket().close();
        first_.clear();
        queue_.clear();
        // Posted: handlers are never called from inside connect(), send() or close().
        if (handlers_.on_closed)
            asio::post(deadline_.get_executor(), [self = this->shared_from_this(), reason] {
                const auto handlers = std::exchange(self->handlers_, {});
                if (handlers.on_closed) handlers.on_closed(reason);
            });
    }

    // ---- connect, one address after the other

    void on_resolved(const error_code& error, const tcp::resolver::results_type& found) {
        const std::string& host = proxy_ ? proxy_->host : target_.host;
        const std::uint16_t port = proxy_ ? proxy_->port : target_.port;
        const bool answered = !error || error == asio::error::operation_aborted;
        if (!answered && host == "localhost")  // RFC 6761 6.3; a bare container has no /etc/hosts
            addresses_ = {{asio::ip::address_v4::loopback(), port}, {asio::ip::address_v6::loopback(), port}};
        else if (failed(error))
            return;
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
        // Beast counts only what is read; see liveness.h.
        timeouts.idle_timeout = websocket::stream_base::none();
        timeouts.keep_alive_pings = false;
        ws_.set_option(timeouts);
        ws_.control_callback(
            [this](websocket::frame_type, beast::string_view) { liveness_.heard(Clock::now()); });
        ws_.set_option(websocket::stream_base::decorator([](websocket::request_type& request) {
            request.set(http::field::user_agent, "emprops-worker");
        }));
        ws_.read_message_max(settings_.receive_limit);
        ws_.write_buffer_bytes(fragment_bytes);
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
        liveness_ = Liveness(settings_.idle_timeout, Clock::now());
        read_next();
        watch_life();
        if (handlers_.on_connected) handlers_.on_connected();
        if (open_ && !writing_ && !finished_) write_next();
    }

    // ---- talk

    void read_next() {
        ws_.async_read_some(buffer_, read_at_once,
                            [self = this->shared_from_this()](error_code error, std::size_t) {
                                if (self->finished_) return;
                                if (error) return self->finish(self->read_failure(error));
                                self->liveness_.heard(Clock::now());
                                if (self->ws_.is_message_done()) self->received();
                                if (!self->finished_) self->read_next();
                            });
    }

    void received() {
        const auto data = buffer_.cdata();
        if (handlers_.on_frame)
            handlers_.on_frame(std::string_view(static_cast<const char*>(data.data()), data.size()));
        if (finished_) return;
        buffer_.clear();
        if (buffer_.capacity() > keep_buffer_bytes) buffer_ = beast::flat_buffer();
    }

    /// Bytes that the kernel has taken from us and the other side has not confirmed.
    std::size_t in_kernel() {
        int bytes = 0;
        if (::ioctl(socket().socket().native_handle(), SIOCOUTQ, &bytes) != 0 || bytes < 0) return 0;
        return static_cast<std::size_t>(bytes);
    }

    /// Looks at what the other side has taken since.
    std::size_t measure() {
        const TimePoint now = Clock::now();
        const std::size_t unconfirmed = in_kernel();
        // TLS makes a little more of what we count: never more confirmed than written, never less than
        // before.
        confirmed_ = std::max(confirmed_, taken_ - std::min<std::uint64_t>(taken_, unconfirmed));
        liveness_.confirmed(now, confirmed_);
        if (unconfirmed == 0 && !writing_) {
            rate_.idle();
        } else {
            rate_.add(now, confirmed_);
        }
        return unconfirmed;
    }

    void watch_life() {
        watch_.expires_after(std::clamp<Ms>(settings_.idle_timeout / 8, Ms(10), Ms(1000)));
        watch_.async_wait([self = this->shared_from_this()](error_code error) {
            if (error || self->finished_ || self->closing_) return;
            self->measure();
            switch (self->liveness_.look(Clock::now())) {
                case Liveness::Verdict::dead:
                    return self->finish("no sign of life from the Hub for " +
                                        human_duration(self->settings_.idle_timeout));
                case Liveness::Verdict::ping:
                    self->ping();
                    break;
                case Liveness::Verdict::fine:
                    break;
            }
            self->watch_life();
        });
    }

    void ping() {
        if (std::exchange(pinging_, true)) return;
        ws_.async_ping({}, [self = this->shared_from_this()](error_code) { self->pinging_ = false; });
    }

    std::string read_failure(const error_code& error) const {
        if (closing_) return close_reason_;
        // Before the error: the close frame may have been read and its echo have failed.
        if (error == websocket::error::closed || ws_.reason().code != websocket::close_code::none) {
            std::string text = "the Hub closed the connection (" + std::to_string(ws_.reason().code);
            if (!ws_.reason().reason.empty()) text += ", " + std::string(ws_.reason().reason.c_str());
            return text + ")";
        }
        if (error == websocket::error::message_too_big)
            return "the Hub sent a message of more than " + std::to_string(settings_.receive_limit) +
                   " bytes";
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
        written_ = 0;
        write_fragment();
    }

    /// One fragment, when the kernel holds little enough of what went before.
    void write_fragment() {
        if (finished_) return;
        if (measure() > kernel_allowance(rate_.bytes_per_second())) {
            pace_.expires_after(kernel_look);
            pace_.async_wait([self = this->shared_from_this()](error_code error) {
                if (!error) self->write_fragment();
            });
            return;
        }
        const std::size_t size = std::min(fragment_bytes, current_.size() - written_);
        ws_.async_write_some(written_ + size == current_.size(),
                             asio::buffer(current_.data() + written_, size),
                             [self = this->shared_from_this(), size](error_code error, std::size_t) {
                                 self->on_written(error, size);
                             });
    }

    void on_written(const error_code& error, std::size_t size) {
        if (finished_) return;
        if (error) {
            writing_ = false;
            return arm(last_words, "writing to the Hub failed: " + error.message());
        }
        written_ += size;
        taken_ += size;
        queued_bytes_ -= size;
        if (written_ < current_.size()) return write_fragment();
        writing_ = false;
        current_ = std::string();
        write_next();
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
    asio::steady_timer pace_;   ///< until the kernel has room
    asio::steady_timer watch_;  ///< the next look at the signs of life
    Liveness liveness_;
    RateMeter rate_;
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
    std::size_t written_ = 0;  ///< of current_
    std::size_t queued_bytes_ = 0;
    std::uint64_t taken_ = 0;      ///< by the kernel, since the connection began
    std::uint64_t confirmed_ = 0;  ///< by the other side
    std::string close_reason_;
    bool open_ = false;
    bool writing_ = false;
    bool pinging_ = false;
    bool closing_ = false;
    bool close_sent_ = false;
    bool finished_ = false;
};

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
