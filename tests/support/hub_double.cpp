#include "tests/support/hub_double.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <deque>
#include <type_traits>

#include "ipc/text/values.h"

namespace emprops::test {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using asio::ip::tcp;
using beast::error_code;

bool until(asio::io_context& io, const std::function<bool()>& condition, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= deadline) return false;
        io.restart();
        io.run_one_until(
            std::min(deadline, std::chrono::steady_clock::now() + std::chrono::milliseconds(50)));
    }
    return true;
}

int HubDouble::Peer::count(const std::string& text) const {
    return static_cast<int>(std::count_if(frames.begin(), frames.end(), [&](const std::string& frame) {
        return frame.find(text) != std::string::npos;
    }));
}

struct HubDouble::State : std::enable_shared_from_this<State> {
    State(asio::io_context& io_in, HubDouble& owner_in)
        : io(io_in), owner(&owner_in), acceptor(io_in), tls(asio::ssl::context::tls_server) {}

    asio::io_context& io;
    HubDouble* owner;
    tcp::acceptor acceptor;
    asio::ssl::context tls;
    bool use_tls = false;
    std::vector<std::shared_ptr<Peer>> peers;

    void accept();
};

namespace {

using PlainStream = websocket::stream<beast::tcp_stream>;
using TlsStream = websocket::stream<beast::ssl_stream<beast::tcp_stream>>;

template <class Ws>
struct Conversation : std::enable_shared_from_this<Conversation<Ws>> {
    template <class... Args>
    Conversation(std::function<HubDouble*()> owner_in, std::shared_ptr<HubDouble::Peer> peer_in,
                 tcp::socket socket, Args&... args)
        : owner(std::move(owner_in)), peer(std::move(peer_in)), ws(std::move(socket), args...) {}

    void start() {
        if constexpr (std::is_same_v<Ws, TlsStream>) {
            ws.next_layer().async_handshake(asio::ssl::stream_base::server,
                                            [self = this->shared_from_this()](error_code error) {
                                                if (error) return self->end();
                                                self->read_request();
                                            });
        } else {
            read_request();
        }
    }
    void read_request() {
        http::async_read(ws.next_layer(), buffer, request,
                         [self = this->shared_from_this()](error_code error, std::size_t) {
                             if (error) return self->end();
                             self->peer->path = std::string(self->request.target());
                             for (const auto& field : self->request)
                                 self->peer->headers[text::lower(std::string(field.name_string()))] =
                                     std::string(field.value());
                             self->accept();
                         });
    }
    void accept() {
        ws.read_message_max(256u << 20);
        ws.write_buffer_bytes(64 * 1024);
        ws.text(true);
        ws.async_accept(request, [self = this->shared_from_this()](error_code error) {
            if (error) return self->end();
            std::weak_ptr<Conversation> weak = self;
            self->peer->send = [weak](std::string text) {
                if (auto alive = weak.lock()) alive->send(std::move(text));
            };
            self->peer->close = [weak](std::uint16_t code, std::string reason) {
                if (auto alive = weak.lock()) alive->close(code, std::move(reason));
            };
            self->peer->ping = [weak] {
                if (auto alive = weak.lock()) alive->ws.async_ping({}, [alive](error_code) {});
            };
            self->ws.control_callback([peer = self->peer](websocket::frame_type kind, beast::string_view) {
                peer->pongs += kind == websocket::frame_type::pong ? 1 : 0;
            });
            self->peer->stop_reading = [weak] {
                if (auto alive = weak.lock()) alive->reading_stopped = true;
            };
            self->ready = true;
            HubDouble* hub = self->owner();
            if (hub == nullptr) return;
            for (const auto& text : hub->greeting)
                self->send(text);
            if (hub->close_after_greeting) self->close(1000, "");
            self->read();
        });
    }
    void read() {
        buffer.clear();
        ws.async_read(buffer, [self = this->shared_from_this()](error_code error, std::size_t) {
            if (error) return self->end();
            std::string text = beast::buffers_to_string(self->buffer.cdata());
            HubDouble* hub = self->owner();
            if (hub != nullptr && hub->on_frame) hub->on_frame(*self->peer, text);
            self->peer->frames.push_back(std::move(text));
            if (!self->reading_stopped) self->read();
        });
    }
    void send(std::string text) {
        queue.push_back(std::move(text));
        if (!writing) write();
    }
    void write() {
        if (queue.empty()) {
            if (closing)
                ws.async_close(*closing, [self = this->shared_from_this()](error_code) { self->end(); });
            return;
        }
        writing = true;
        ws.async_write(asio::buffer(queue.front()),
                       [self = this->shared_from_this()](error_code error, std::size_t) {
                           self->writing = false;
                           if (error) return self->end();
                           self->queue.pop_front();
                           self->write();
                       });
    }
    void close(std::uint16_t code, std::string reason) {
        closing = websocket::close_reason(static_cast<websocket::close_code>(code), reason);
        if (!writing) write();
    }
    void end() { peer->open = false; }

    std::function<HubDouble*()> owner;
    std::shared_ptr<HubDouble::Peer> peer;
    Ws ws;
    beast::flat_buffer buffer;
    http::request<http::string_body> request;
    std::deque<std::string> queue;
    bool ready = false;
    bool writing = false;
    bool reading_stopped = false;
    std::optional<websocket::close_reason> closing;
};

}  // namespace

void HubDouble::State::accept() {
    acceptor.async_accept([self = shared_from_this()](error_code error, tcp::socket socket) {
        if (error || self->owner == nullptr) return;
        error_code ignored;
        socket.set_option(tcp::no_delay(true), ignored);
        auto peer = std::make_shared<Peer>();
        self->peers.push_back(peer);
        std::weak_ptr<State> weak = self;
        const std::function<HubDouble*()> owner = [weak]() -> HubDouble* {
            const auto state = weak.lock();
            return state ? state->owner : nullptr;
        };
        if (self->use_tls) {
            std::make_shared<Conversation<TlsStream>>(owner, peer, std::move(socket), self->tls)->start();
        } else {
            std::make_shared<Conversation<PlainStream>>(owner, peer, std::move(socket))->start();
        }
        self->accept();
    });
}

HubDouble::HubDouble(asio::io_context& io, std::optional<TestCertificates> certificates,
                     bool require_client_certificate, const std::string& address)
    : greeting{R"({"type": "connection_established", "message": "Welcome"})"},
      state_(std::make_shared<State>(io, *this)) {
    if (certificates) {
        state_->use_tls = true;
        state_->tls.use_certificate_chain(asio::buffer(certificates->server_pem));
        state_->tls.use_private_key(asio::buffer(certificates->server_key_pem), asio::ssl::context::pem);
        state_->tls.add_certificate_authority(asio::buffer(certificates->authority_pem));
        if (require_client_certificate)
            state_->tls.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
    }
    const tcp::endpoint endpoint(asio::ip::make_address(address), 0);
    state_->acceptor.open(endpoint.protocol());
    state_->acceptor.set_option(tcp::acceptor::reuse_address(true));
    state_->acceptor.bind(endpoint);
    state_->acceptor.listen();
    state_->accept();
}

HubDouble::~HubDouble() {
    state_->owner = nullptr;
    error_code ignored;
    state_->acceptor.close(ignored);
}

std::uint16_t HubDouble::port() const {
    return state_->acceptor.local_endpoint().port();
}
const std::vector<std::shared_ptr<HubDouble::Peer>>& HubDouble::peers() const {
    return state_->peers;
}

std::shared_ptr<HubDouble::Peer> HubDouble::peer(const std::string& path_prefix) const {
    for (auto it = state_->peers.rbegin(); it != state_->peers.rend(); ++it)
        if ((*it)->open && (*it)->path.rfind(path_prefix, 0) == 0) return *it;
    return nullptr;
}

}  // namespace emprops::test
