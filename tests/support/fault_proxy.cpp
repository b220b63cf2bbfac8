#include "tests/support/fault_proxy.h"

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <string_view>

namespace emprops::test {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

struct Relay : std::enable_shared_from_this<Relay> {
    Relay(asio::io_context& io, std::function<FaultProxy*()> owner_in, tcp::socket near_in)
        : owner(std::move(owner_in)), near(std::move(near_in)), far(io), near_timer(io), far_timer(io) {}

    struct Direction {
        std::vector<char> buffer;
    };

    void connect(const tcp::endpoint& target, std::string answer) {
        far.async_connect(target, [self = shared_from_this(), answer = std::move(answer)](error_code error) {
            if (error) return self->reset();
            error_code ignored;
            asio::write(self->near, asio::buffer(answer), ignored);
            self->pump(self->near, self->far, self->up, self->near_timer, false);
            self->pump(self->far, self->near, self->down, self->far_timer, true);
        });
    }

    void pump(tcp::socket& from, tcp::socket& to, Direction& direction, asio::steady_timer& timer,
              bool from_hub) {
        FaultProxy* proxy = owner();
        if (proxy == nullptr) return reset();
        const bool slow = !from_hub && proxy->faults.upload_per_second > 0;
        if (slow) {
            error_code ignored;
            from.set_option(asio::socket_base::receive_buffer_size(16 * 1024), ignored);
        }
        direction.buffer.resize(slow ? 4096 : proxy->faults.piece_bytes);
        from.async_read_some(asio::buffer(direction.buffer),
                             [self = shared_from_this(), &from, &to, &direction, &timer, from_hub](
                                 error_code error, std::size_t size) {
                                 if (error) return self->end(to);
                                 self->hold(from, to, direction, timer, from_hub, size);
                             });
    }

    void hold(tcp::socket& from, tcp::socket& to, Direction& direction, asio::steady_timer& timer,
              bool from_hub, std::size_t size) {
        FaultProxy* proxy = owner();
        if (proxy == nullptr) return reset();
        auto wait = proxy->faults.blackhole ? std::chrono::milliseconds(20) : proxy->faults.delay;
        if (!from_hub && proxy->faults.upload_per_second > 0)
            wait += std::chrono::milliseconds(1000 * size / proxy->faults.upload_per_second);
        if (wait.count() == 0) return pass(from, to, direction, timer, from_hub, size);
        timer.expires_after(wait);
        timer.async_wait(
            [self = shared_from_this(), &from, &to, &direction, &timer, from_hub, size](error_code error) {
                if (error) return;
                FaultProxy* still = self->owner();
                if (still != nullptr && still->faults.blackhole)
                    return self->hold(from, to, direction, timer, from_hub, size);
                self->pass(from, to, direction, timer, from_hub, size);
            });
    }

    void pass(tcp::socket& from, tcp::socket& to, Direction& direction, asio::steady_timer& timer,
              bool from_hub, std::size_t size) {
        FaultProxy* proxy = owner();
        if (proxy == nullptr) return reset();
        bool cut = false;
        if (from_hub && proxy->faults.cut_after_bytes) {
            const std::uint64_t left =
                *proxy->faults.cut_after_bytes - std::min(seen, *proxy->faults.cut_after_bytes);
            cut = size >= left;
            size = std::min<std::size_t>(size, left);
        }
        if (from_hub) seen += size;
        const std::string_view piece(direction.buffer.data(), size);
        if (!from_hub && !proxy->faults.refuse_path.empty() &&
            piece.find(proxy->faults.refuse_path) != std::string_view::npos)
            return reset();
        asio::async_write(to, asio::buffer(direction.buffer.data(), size),
                          [self = shared_from_this(), &from, &to, &direction, &timer, from_hub, cut](
                              error_code error, std::size_t) {
                              if (error || cut) return self->reset();
                              self->pump(from, to, direction, timer, from_hub);
                          });
    }

    void end(tcp::socket& to) {
        error_code ignored;
        to.shutdown(tcp::socket::shutdown_send, ignored);
    }
    void reset() {
        error_code ignored;
        for (tcp::socket* socket : {&near, &far}) {
            socket->set_option(asio::socket_base::linger(true, 0), ignored);
            socket->close(ignored);
        }
        near_timer.cancel();
        far_timer.cancel();
    }

    std::function<FaultProxy*()> owner;
    tcp::socket near;
    tcp::socket far;
    asio::steady_timer near_timer;
    asio::steady_timer far_timer;
    Direction up;
    Direction down;
    std::uint64_t seen = 0;
    std::string head;
};

}  // namespace

struct FaultProxy::State : std::enable_shared_from_this<State> {
    State(asio::io_context& io_in, FaultProxy& owner_in, std::uint16_t target)
        : io(io_in),
          owner(&owner_in),
          acceptor(io_in, {asio::ip::address_v4::loopback(), 0}),
          target_port(target) {}

    asio::io_context& io;
    FaultProxy* owner;
    tcp::acceptor acceptor;
    std::uint16_t target_port;
    std::vector<std::weak_ptr<Relay>> relays;
    std::vector<std::string> requests;

    void accept() {
        acceptor.async_accept([self = shared_from_this()](error_code error, tcp::socket socket) {
            if (error || self->owner == nullptr) return;
            std::weak_ptr<State> weak = self;
            auto relay = std::make_shared<Relay>(
                self->io,
                [weak]() -> FaultProxy* {
                    const auto state = weak.lock();
                    return state ? state->owner : nullptr;
                },
                std::move(socket));
            self->relays.push_back(relay);
            if (self->owner->faults.refuse) {
                relay->reset();
            } else if (self->target_port != 0) {
                relay->connect({asio::ip::address_v4::loopback(), self->target_port}, "");
            } else {
                self->read_request(relay);
            }
            self->accept();
        });
    }

    void read_request(const std::shared_ptr<Relay>& relay) {
        asio::async_read_until(relay->near, asio::dynamic_buffer(relay->head), "\r\n\r\n",
                               [self = shared_from_this(), relay](error_code error, std::size_t) {
                                   if (error || self->owner == nullptr) return relay->reset();
                                   self->requests.push_back(relay->head);
                                   self->answer(relay);
                               });
    }

    void answer(const std::shared_ptr<Relay>& relay) {
        const std::string& head = relay->head;
        if (!owner->refuse_with.empty()) {
            error_code ignored;
            asio::write(relay->near, asio::buffer(owner->refuse_with), ignored);
            return;
        }
        const auto colon = head.rfind(':', head.find(" HTTP/"));
        const auto port = static_cast<std::uint16_t>(std::stoi(head.substr(colon + 1)));
        relay->connect({asio::ip::address_v4::loopback(), port},
                       "HTTP/1.1 200 Connection established\r\n\r\n");
    }
};

FaultProxy::FaultProxy(asio::io_context& io, std::uint16_t target_port)
    : state_(std::make_shared<State>(io, *this, target_port)) {
    state_->accept();
}

FaultProxy::~FaultProxy() {
    cut();
    state_->owner = nullptr;
    error_code ignored;
    state_->acceptor.close(ignored);
}

std::uint16_t FaultProxy::port() const {
    return state_->acceptor.local_endpoint().port();
}

void FaultProxy::cut() {
    for (const auto& relay : state_->relays)
        if (const auto alive = relay.lock()) alive->reset();
}

std::size_t FaultProxy::connections() const {
    return state_->relays.size();
}
const std::vector<std::string>& FaultProxy::requests() const {
    return state_->requests;
}

}  // namespace emprops::test
