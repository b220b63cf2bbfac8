#include "connectors/comfyui/server/socket.h"
#include "ipc/text/people.h"
#include "ipc/text/percent.h"
#include "ipc/time/clock.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <optional>
#include <thread>
#include <utility>
#include <variant>

namespace emprops::comfyui {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

// SaveImageWebsocket sends whole pictures and errors whole texts; the server has no limit of its own.
constexpr std::size_t max_message = std::size_t{256} << 20;
constexpr Ms first_pause{250}, longest_pause{15'000};

using Plain = websocket::stream<beast::tcp_stream>;
using Secure = websocket::stream<beast::ssl_stream<beast::tcp_stream>>;

/// One connection from resolving to its end; made anew for each try.
class Connection : public std::enable_shared_from_this<Connection> {
  public:
    using Ended = std::function<void(const std::string& reason, bool was_up)>;

    Connection(asio::io_context& io, asio::ssl::context& tls, const Settings& settings,
               const std::string& client_id, Ms idle, SocketHandlers& handlers, Ended ended)
        : settings_(settings),
          client_id_(client_id),
          idle_(idle),
          handlers_(handlers),
          ended_(std::move(ended)),
          resolver_(io),
          idle_timer_(io) {
        if (settings_.server.tls()) {
            stream_.emplace<Secure>(io, tls);
        } else {
            stream_.emplace<Plain>(io);
        }
    }

    void start() {
        resolver_.async_resolve(
            text::percent_decode(settings_.server.host), std::to_string(settings_.server.port),
            [self = shared_from_this()](error_code error, tcp::resolver::results_type found) {
                self->resolved(error, found);
            });
    }

    void close(const std::string& reason) {
        if (over_) return;
        over_ = true;
        resolver_.cancel();
        idle_timer_.cancel();
        error_code ignored;
        tcp_layer().socket().shutdown(tcp::socket::shutdown_both, ignored);
        tcp_layer().close();
        ended_(reason, up_);
    }

  private:
    beast::tcp_stream& tcp_layer() {
        return std::visit(
            [](auto& ws) -> beast::tcp_stream& {
                if constexpr (std::is_same_v<std::decay_t<decltype(ws)>, std::monostate>) {
                    std::abort();  // the constructor always makes a stream
                } else {
                    return beast::get_lowest_layer(ws);
                }
            },
            stream_);
    }

    template <class F>
    void with_stream(F&& use) {
        if (auto* plain = std::get_if<Plain>(&stream_)) use(*plain);
        if (auto* secure = std::get_if<Secure>(&stream_)) use(*secure);
    }

    bool failed(error_code error, const char* doing) {
        if (!error) return over_;
        close(std::string(doing) + ": " + error.message());
        return true;
    }

    void resolved(error_code error, const tcp::resolver::results_type& found) {
        if (failed(error, "resolving the host")) return;
        tcp_layer().expires_after(settings_.limits.connect);
        tcp_layer().async_connect(found,
                                  [self = shared_from_this()](error_code result, const tcp::endpoint&) {
                                      self->connected(result);
                                  });
    }

    void connected(error_code error) {
        if (failed(error, "connecting")) return;
        auto* secure = std::get_if<Secure>(&stream_);
        if (secure == nullptr) return handshake();
        auto& tls = secure->next_layer();
        if (const std::string name = settings_.server.server_name(); !name.empty())
            SSL_set_tlsext_host_name(tls.native_handle(), name.c_str());
        if (settings_.verify_tls) {
            tls.set_verify_callback(asio::ssl::host_name_verification(settings_.server.host));
        }
        tls.async_handshake(asio::ssl::stream_base::client, [self = shared_from_this()](error_code result) {
            if (!self->failed(result, "TLS handshake")) self->handshake();
        });
    }

    void handshake() {
        tcp_layer().expires_never();
        const std::string target =
            settings_.server.prefix + "/ws?clientId=" + text::percent_encode(client_id_);
        with_stream([&](auto& ws) {
            // Beast's own idle time would run on while this process does not.
            ws.set_option(websocket::stream_base::timeout{settings_.limits.connect,
                                                          websocket::stream_base::none(), false});
            ws.control_callback([this](websocket::frame_type, beast::string_view) { heard_ = true; });
            ws.read_message_max(max_message);
            // No Origin: ComfyUI compares it with Host on loopback.
            ws.set_option(websocket::stream_base::decorator([this](websocket::request_type& request) {
                request.set(beast::http::field::user_agent, "emprops-connector-comfyui");
                for (const auto& [name, value] : settings_.headers) {
                    request.set(name, value);
                }
            }));
            ws.async_handshake(settings_.server.authority(), target,
                               [self = shared_from_this()](error_code result) {
                                   if (self->failed(result, "WebSocket handshake")) return;
                                   self->hello();
                               });
        });
    }

    /// Must be the first message: it makes ComfyUI name the prompt in previews.
    void hello() {
        with_stream([&](auto& ws) {
            ws.text(true);
            ws.async_write(asio::buffer(hello_), [self = shared_from_this()](error_code result, std::size_t) {
                if (self->failed(result, "writing")) return;
                self->up_ = true;
                self->handlers_.on_state(true, "");
                self->read();
                self->watch_idle();
            });
        });
    }

    void read() {
        with_stream([&](auto& ws) {
            // In pieces: a large picture on a slow line shows that it comes.
            ws.async_read_some(buffer_, 0, [self = shared_from_this()](error_code result, std::size_t count) {
                if (self->failed(result, "reading")) return;
                self->heard_ = true;
                if (self->handlers_.on_bytes) self->handlers_.on_bytes(count);
                bool whole = false;
                self->with_stream([&](auto& stream) { whole = stream.is_message_done(); });
                if (whole) self->deliver();
                if (!self->over_) self->read();
            });
        });
    }

    /// A server that said nothing for half of the time is asked for a pong, and has the other half for it.
    void watch_idle() {
        idle_timer_.expires_after(idle_ / 2);
        idle_timer_.async_wait([self = shared_from_this()](error_code error) {
            if (error || self->over_) return;
            const bool asked = std::exchange(self->asked_, !std::exchange(self->heard_, false));
            if (self->asked_ && asked)
                return self->close("not a byte came for " + human_duration(self->idle_));
            if (self->asked_) self->with_stream([&](auto& ws) { ws.async_ping({}, [self](error_code) {}); });
            self->watch_idle();
        });
    }

    void deliver() {
        bool text = true;
        with_stream([&](auto& ws) { text = ws.got_text(); });
        const auto data = buffer_.cdata();
        const std::string_view bytes(static_cast<const char*>(data.data()), data.size());
        (text ? handlers_.on_text : handlers_.on_binary)(bytes);
        buffer_.consume(buffer_.size());
        if (buffer_.capacity() > (std::size_t{4} << 20)) buffer_.shrink_to_fit();
    }

    const Settings& settings_;
    const std::string& client_id_;
    const Ms idle_;
    SocketHandlers& handlers_;
    Ended ended_;
    tcp::resolver resolver_;
    asio::basic_waitable_timer<Clock> idle_timer_;
    std::variant<std::monostate, Plain, Secure> stream_;
    beast::flat_buffer buffer_;
    const std::string hello_ = R"({"type":"feature_flags","data":{"supports_preview_metadata":true}})";
    bool up_ = false;
    bool over_ = false;
    bool heard_ = false;  // since the idle time was looked at
    bool asked_ = false;  // for a pong, when it was
};

}  // namespace

class Socket::Impl {
  public:
    Impl(const Settings& settings, std::string client_id, SocketHandlers handlers, Ms idle)
        : settings_(settings), client_id_(std::move(client_id)), idle_(idle), handlers_(std::move(handlers)) {
        error_code ignored;
        tls_.set_default_verify_paths(ignored);
        if (!settings_.ca_file.empty()) tls_.load_verify_file(settings_.ca_file, ignored);
        tls_.set_verify_mode(settings_.verify_tls ? asio::ssl::verify_peer : asio::ssl::verify_none);
        asio::post(io_, [this] { connect(); });
        thread_ = std::thread([this] { io_.run(); });
    }

    ~Impl() {
        asio::post(io_, [this] {
            stopping_ = true;
            timer_.cancel();
            if (const auto current = connection_) current->close("stopping");
        });
        work_.reset();
        thread_.join();
    }

    void reconnect() {
        asio::post(io_, [this] {
            pause_ = first_pause;
            if (const auto current = connection_) {
                current->close("asked to reconnect");
            } else if (!stopping_ && timer_.cancel() > 0) {
                connect();
            }
        });
    }

  private:
    void connect() {
        if (stopping_) return;
        connection_ = std::make_shared<Connection>(
            io_, tls_, settings_, client_id_, idle_, handlers_,
            [this](const std::string& reason, bool was_up) { ended(reason, was_up); });
        connection_->start();
    }

    void ended(const std::string& reason, bool was_up) {
        connection_.reset();
        if (was_up) pause_ = first_pause;
        if (!stopping_) handlers_.on_state(false, reason);
        if (stopping_) return;
        timer_.expires_after(pause_);
        pause_ = std::min(pause_ * 2, longest_pause);
        timer_.async_wait([this](error_code error) {
            if (!error) connect();
        });
    }

    const Settings& settings_;
    const std::string client_id_;
    const Ms idle_;
    SocketHandlers handlers_;
    asio::io_context io_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_{asio::make_work_guard(io_)};
    asio::ssl::context tls_{asio::ssl::context::tls_client};
    asio::steady_timer timer_{io_};
    std::shared_ptr<Connection> connection_;
    Ms pause_{first_pause};
    bool stopping_ = false;
    std::thread thread_;
};

Socket::Socket(const Settings& settings, std::string client_id, SocketHandlers handlers, Ms idle)
    : impl_(std::make_unique<Impl>(settings, std::move(client_id), std::move(handlers), idle)) {}
Socket::~Socket() = default;
void Socket::reconnect() {
    impl_->reconnect();
}

}  // namespace emprops::comfyui
