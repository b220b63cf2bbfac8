#include "supervisor/hub/dialer.h"

#include <utility>

#include "ipc/web/base64.h"
#include "supervisor/hub/refused_link.h"

namespace emprops::hub {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

Dialer::Dialer(beast::tcp_stream& stream, Target target, std::optional<Proxy> proxy, Ms timeout)
    : stream_(stream),
      target_(std::move(target)),
      proxy_(std::move(proxy)),
      timeout_(timeout),
      resolver_(stream.get_executor()) {}

void Dialer::start(Done done) {
    done_ = std::move(done);
    step_ = "cannot resolve " + host();
    resolver_.async_resolve(
        host(), std::to_string(port()),
        [self = shared_from_this()](ErrorCode error, Results found) { self->on_resolved(error, found); });
}

void Dialer::stop() {
    done_ = {};
    resolver_.cancel();
    if (race_) race_->stop();
}

void Dialer::end(std::string failure) {
    if (const auto done = std::exchange(done_, {})) done(std::move(failure));
}

void Dialer::on_resolved(const ErrorCode& error, const Results& found) {
    if (!done_) return;
    if (error && host() == "localhost")  // RFC 6761 6.3; a bare container has no /etc/hosts
        addresses_ = {{asio::ip::address_v4::loopback(), port()}, {asio::ip::address_v6::loopback(), port()}};
    else if (error)
        return end(step_ + ": " + error.message());
    for (const auto& entry : found)
        addresses_.push_back(entry.endpoint());
    // What follows the connection must have its part of the time.
    const int addresses = static_cast<int>(addresses_.size());
    const Ms limit = timeout_ * addresses / (addresses + 1);
    race_ = std::make_shared<AddressRace>(stream_.get_executor(), addresses_, limit);
    race_->start([self = shared_from_this()](tcp::socket winner, const std::string& failure) {
        self->on_connected(std::move(winner), failure);
    });
}

void Dialer::on_connected(tcp::socket winner, const std::string& failure) {
    race_.reset();
    if (!done_) return;
    if (!failure.empty()) {
        const std::string name = proxy_ ? "the proxy " + proxy_->host : target_.authority();
        const bool said = failure.starts_with(name + ": ");  // the name is the address
        return end("cannot connect to " + (said ? failure : name + ": " + failure));
    }
    stream_.socket() = std::move(winner);
    ErrorCode ignored;
    stream_.socket().set_option(tcp::no_delay(true), ignored);
    proxy_ ? ask_proxy() : end();
}

void Dialer::ask_proxy() {
    step_ = "no answer from the proxy " + proxy_->host;
    const std::string authority =
        (target_.host.find(':') == std::string::npos ? target_.host : "[" + target_.host + "]") + ":" +
        std::to_string(target_.port);
    request_ = {http::verb::connect, authority, 11};
    request_.set(http::field::host, authority);
    if (!proxy_->user_password.empty())
        request_.set(http::field::proxy_authorization, "Basic " + web::base64_encode(proxy_->user_password));
    http::async_write(stream_, request_, [self = shared_from_this()](ErrorCode error, std::size_t) {
        if (error) return self->end(self->step_ + ": " + error.message());
        if (self->done_) self->read_proxy_answer();
    });
}

void Dialer::read_proxy_answer() {
    answer_.emplace();
    answer_->skip(true);
    http::async_read_header(
        stream_, buffer_, *answer_, [self = shared_from_this()](ErrorCode error, std::size_t) {
            if (error) return self->end(self->step_ + ": " + error.message());
            const auto& answer = self->answer_->get();
            if (answer.result_int() / 100 == 2) return self->end();
            self->end("the proxy " + self->proxy_->host + " refused the connection: " +
                      refused_tunnel(self->target_,
                                     {.status = answer.result_int(),
                                      .phrase = std::string(answer.reason()),
                                      .server = std::string(answer[http::field::server]),
                                      .asks_for = std::string(answer[http::field::proxy_authenticate])}));
        });
}

}  // namespace emprops::hub
