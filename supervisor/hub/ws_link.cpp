// The WebSocket connection: Beast and TLS live here and in dialer.cpp, and nowhere else in the hub link.
// Callbacks, not coroutines: each step names the next one, and g++ 12 miscompiles too many co_await patterns.

#include <algorithm>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "ipc/text/people.h"
#include "ipc/text/utf8.h"
#include "supervisor/base/loop.h"
#include "supervisor/base/memory.h"
#include "supervisor/base/time.h"
#include "supervisor/base/timer.h"
#include "supervisor/hub/dialer.h"
#include "supervisor/hub/link.h"
#include "supervisor/hub/refused_link.h"
#include "supervisor/hub/tls_context.h"
#include "supervisor/hub/ws_writer.h"

namespace emprops::hub {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
namespace ssl = asio::ssl;
using beast::error_code;

using PlainStream = websocket::stream<BatchStream<beast::tcp_stream>>;
using TlsStream = websocket::stream<BatchStream<beast::ssl_stream<beast::tcp_stream>>>;

/// How long a close may take: what is queued, the close frame, the peer's answer.
constexpr Ms close_timeout{2000};
/// After a failed write the reason for it may still arrive as a close frame (1009: too large).
constexpr Ms last_words{500};
/// What is read at once; a part of a message is a sign of life.
constexpr std::size_t read_at_once = 256 * 1024;
/// What may wait to be written, at least (see Link::queued_bytes).
constexpr std::size_t least_queue_limit = std::size_t{64} << 20;
/// A read buffer that grew beyond this for one large frame is given back.
constexpr std::size_t keep_buffer_bytes = 1 << 20;

/// One attempt and the connection it becomes. Kept alive by its pending operations.
class Conversation {
  public:
    virtual ~Conversation() = default;
    virtual void start() = 0;
    virtual void send(std::string text, bool first) = 0;
    virtual void close(std::string reason) = 0;
    virtual void drop() = 0;
    virtual std::size_t queued_bytes() const = 0;
};

template <class Ws>
class WsConnection final : public Conversation, public std::enable_shared_from_this<WsConnection<Ws>> {
    static constexpr bool is_tls = std::is_same_v<Ws, TlsStream>;

  public:
    template <class... StreamArgs>
    WsConnection(const asio::any_io_executor& executor, config::HubSettings settings, Target target,
                 std::optional<Proxy> proxy, Link::Handlers handlers, std::shared_ptr<ssl::context> tls,
                 StreamArgs&&... stream_args)
        : settings_(std::move(settings)),
          target_(std::move(target)),
          handlers_(std::move(handlers)),
          tls_(std::move(tls)),
          deadline_(executor),
          watch_(executor),
          ws_(executor, std::forward<StreamArgs>(stream_args)...),
          writer_(ws_, settings_.idle_timeout,
                  {[this](const error_code& error) { write_failed(error); }, [this] { send_close(); }}),
          dialer_(std::make_shared<Dialer>(socket(), target_, std::move(proxy), settings_.connect_timeout)) {}

    void start() override {
        arm(settings_.connect_timeout, "no connection within " + human_duration(settings_.connect_timeout));
        dialer_->start([self = this->shared_from_this()](std::string failure) {
            failure.empty() ? self->start_tls() : self->finish(failure);
        });
    }

    void send(std::string text, bool first) override {
        if (finished_ || closing_) return;
        if (writer_.bytes() + text.size() > std::max(least_queue_limit, 4 * settings_.send_limit))
            return finish("the Hub takes too little of what it is sent: " + std::to_string(writer_.bytes()) +
                          " bytes wait to be written");
        writer_.push(std::move(text), first);
    }

    void close(std::string reason) override {
        if (finished_ || closing_) return;
        closing_ = true;
        close_reason_ = std::string(text::cut(reason, 120));
        if (!writer_.is_open()) return finish(close_reason_);
        arm(close_timeout, close_reason_);
        writer_.close();
    }

    void drop() override {
        handlers_ = {};
        finish("dropped");
    }

    std::size_t queued_bytes() const override { return writer_.bytes(); }

  private:
    /// What there is to say about a connection that does not come about.
    struct Attempt {
        std::string step;  ///< what fails if the next thing fails
        websocket::response_type answer;
        std::string certificate_names;  ///< of a certificate for another host
    };

    beast::tcp_stream& socket() { return beast::get_lowest_layer(ws_); }
    auto& layer() { return ws_.next_layer().next_layer(); }  // below the batches

    void arm(Ms timeout, std::string reason) {
        deadline_.expires_after(timeout);
        deadline_.async_wait([self = this->shared_from_this(), reason = std::move(reason)](error_code error) {
            if (!error) self->finish(self->closed_by_them() ? self->read_failure({}) : reason);
        });
    }

    bool failed(const error_code& error) {
        if (finished_) return true;
        if (!error) return false;
        finish(attempt_.step + ": " + error.message());
        return true;
    }

    void finish(const std::string& reason) {
        if (finished_) return;
        finished_ = true;
        deadline_.cancel();
        watch_.cancel();
        dialer_->stop();
        socket().close();
        writer_.stop();
        // Posted: handlers are never called from inside connect(), send() or close().
        if (handlers_.on_closed)
            later(deadline_.get_executor(), [self = this->shared_from_this(), reason] {
                const auto handlers = std::exchange(self->handlers_, {});
                if (handlers.on_closed) handlers.on_closed(reason);
            });
    }

    // ---- connect

    void start_tls() {
        if constexpr (is_tls) {
            attempt_.step = "no TLS connection to " + target_.authority();
            auto& stream = layer();
            if (settings_.tls_verify) {
                expect_host(stream.native_handle(), target_.host);
                stream.set_verify_callback([this](bool accepted, ssl::verify_context& context) {
                    if (!accepted) attempt_.certificate_names = names_of_another_host(context);
                    return accepted;
                });
            }
            stream.async_handshake(
                ssl::stream_base::client, [self = this->shared_from_this()](error_code error) {
                    if (self->finished_) return;
                    if (!error) return self->start_websocket();
                    self->finish(self->attempt_.step + ": " +
                                 tls_failure(self->settings_, self->target_, self->layer().native_handle(),
                                             error, self->attempt_.certificate_names));
                });
        } else {
            start_websocket();
        }
    }

    void start_websocket() {
        attempt_.step = "no WebSocket at " + target_.printable;
        websocket::stream_base::timeout timeouts{};
        timeouts.handshake_timeout = settings_.connect_timeout;
        // Beast counts only what is read; see liveness.h.
        timeouts.idle_timeout = websocket::stream_base::none();
        timeouts.keep_alive_pings = false;
        ws_.set_option(timeouts);
        ws_.control_callback([this](websocket::frame_type kind, beast::string_view) {
            writer_.heard();
            if (kind == websocket::frame_type::close) writer_.end();
        });
        ws_.set_option(websocket::stream_base::decorator(
            [headers = settings_.headers](websocket::request_type& request) {
                request.set(http::field::user_agent, "emprops-worker");
                for (const auto& [name, value] : headers)
                    request.set(name, value);
            }));
        writer_.start(this->weak_from_this());
        ws_.read_message_max(settings_.receive_limit);
        ws_.write_buffer_bytes(fragment_bytes);
        ws_.text(true);
        ws_.async_handshake(
            attempt_.answer, target_.authority(), target_.path_and_query,
            [self = this->shared_from_this()](error_code error) { self->on_handshake(error); });
    }

    void on_handshake(const error_code& error) {
        if (finished_) return;
        if (error == websocket::error::upgrade_declined)
            return finish(attempt_.step + ": " + refused_handshake(settings_, target_, answer_in_words()));
        // The answer could not be read as HTTP, or is none.
        const bool broken = error.category() == http::make_error_code(http::error::bad_version).category() ||
                            error == asio::error::connection_reset;
        if (broken) return finish(attempt_.step + ": " + no_http(settings_, target_, error.message()));
        if (failed(error)) return;
        deadline_.cancel();
        attempt_.step = "writing to the Hub failed";
        writer_.open();
        read_next();
        watch_life();
        if (handlers_.on_connected) handlers_.on_connected();
    }

    HttpAnswer answer_in_words() const {
        const auto field = [&](http::field name) { return std::string(attempt_.answer[name]); };
        HttpAnswer answer{.status = attempt_.answer.result_int(),
                          .phrase = std::string(attempt_.answer.reason())};
        if (answer.phrase.empty())
            answer.phrase = std::string(http::obsolete_reason(attempt_.answer.result()));
        answer.server = field(http::field::server);
        answer.location = field(http::field::location);
        answer.asks_for =
            field(answer.status == 407 ? http::field::proxy_authenticate : http::field::www_authenticate);
        answer.body = attempt_.answer.body();
        return answer;
    }

    // ---- talk

    void read_next() {
        try {  // Beast would ask for it inside the operation, where nobody can catch what that throws
            const std::size_t needed = buffer_.size() + read_at_once;
            if (buffer_.capacity() < needed) buffer_.reserve(std::max(needed, 2 * buffer_.capacity()));
        } catch (const std::bad_alloc&) {
            return no_room_for_message();
        }
        ws_.async_read_some(buffer_, read_at_once,
                            [self = this->shared_from_this()](error_code error, std::size_t) {
                                if (self->finished_) return;
                                if (error) return self->finish(self->read_failure(error));
                                self->writer_.heard();
                                if (self->ws_.is_message_done()) self->received();
                                if (!self->finished_) self->read_next();
                            });
    }

    void no_room_for_message() {
        finish("for a message of the Hub of " + std::to_string(buffer_.size()) + " bytes " + no_memory);
    }

    void received() {
        const auto data = buffer_.cdata();
        try {
            if (handlers_.on_frame)
                handlers_.on_frame(std::string_view(static_cast<const char*>(data.data()), data.size()));
        } catch (const std::bad_alloc&) {
            return no_room_for_message();
        }
        if (finished_) return;
        buffer_.clear();
        if (buffer_.capacity() > keep_buffer_bytes) buffer_ = beast::flat_buffer();
    }

    void watch_life() {
        watch_.expires_at(
            next_beat(Clock::now(), std::clamp<Ms>(settings_.idle_timeout / 8, Ms(10), Ms(1000))));
        watch_.async_wait([self = this->shared_from_this()](error_code error) {
            if (error || self->finished_ || self->closing_) return;
            switch (self->writer_.verdict()) {
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

    bool closed_by_them() const { return ws_.reason().code != websocket::close_code::none; }
    std::string read_failure(const error_code& error) const {
        if (closing_) return close_reason_;
        // Before the error: the close frame may have been read and its echo have failed.
        if (error == websocket::error::closed || closed_by_them()) {
            return closed_by_hub(ws_.reason().code, {ws_.reason().reason.data(), ws_.reason().reason.size()});
        }
        if (error == websocket::error::message_too_big)
            return "the Hub sent a message of more than " + std::to_string(settings_.receive_limit) +
                   " bytes";
        if (error == asio::error::eof || error == asio::error::connection_reset ||
            error == ssl::error::stream_truncated)
            return "the connection broke off";
        return "reading from the Hub failed: " + error.message();
    }

    void write_failed(const error_code& error) { arm(last_words, attempt_.step + ": " + error.message()); }

    void send_close() {
        websocket::close_reason reason(websocket::close_code::normal);
        reason.reason = close_reason_;
        ws_.async_close(reason,
                        [self = this->shared_from_this()](error_code) { self->finish(self->close_reason_); });
    }

    config::HubSettings settings_;
    Target target_;
    Link::Handlers handlers_;
    std::shared_ptr<ssl::context> tls_;
    Timer deadline_;
    Timer watch_;  ///< the next look at the signs of life
    Ws ws_;
    WsWriter<Ws> writer_;
    std::shared_ptr<Dialer> dialer_;
    Attempt attempt_;
    beast::flat_buffer buffer_;
    std::string close_reason_;
    bool pinging_ = false;
    bool closing_ = false;
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
                later(executor_,
                      [closed = std::move(handlers.on_closed), why = tls.error().message] { closed(why); });
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
    std::shared_ptr<Conversation> connection_;
};

}  // namespace

std::unique_ptr<Link> make_ws_link(const asio::any_io_executor& executor,
                                   const config::HubSettings& settings) {
    return std::make_unique<WsLink>(executor, settings);
}

}  // namespace emprops::hub
