#include "supervisor/hub/address_race.h"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <utility>

#include "ipc/text/people.h"
#include "ipc/web/url.h"
#include "supervisor/base/loop.h"

namespace emprops::hub {

namespace asio = boost::asio;
using boost::system::error_code;

std::vector<asio::ip::tcp::endpoint> in_turn(const std::vector<asio::ip::tcp::endpoint>& addresses) {
    std::vector<asio::ip::tcp::endpoint> first;
    std::vector<asio::ip::tcp::endpoint> second;
    for (const auto& address : addresses)
        (address.protocol() == addresses.front().protocol() ? first : second).push_back(address);
    std::vector<asio::ip::tcp::endpoint> all;
    for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
        if (i < first.size()) all.push_back(first[i]);
        if (i < second.size()) all.push_back(second[i]);
    }
    return all;
}

AddressRace::AddressRace(asio::any_io_executor executor, const std::vector<Endpoint>& addresses, Ms limit)
    : executor_(std::move(executor)), limit_(limit), next_(executor_), deadline_(executor_) {
    for (const Endpoint& address : in_turn(addresses))
        attempts_.push_back({address, Socket(executor_), {}});
}

void AddressRace::start(Done done) {
    done_ = std::move(done);
    deadline_.expires_after(limit_);
    deadline_.async_wait([self = shared_from_this()](const error_code& error) {
        if (!error && self->done_) self->end(Socket(self->executor_), self->failures());
    });
    later(executor_, [self = shared_from_this()] {
        if (!self->done_) return;
        if (self->attempts_.empty())
            return self->end(Socket(self->executor_), error_code(asio::error::host_not_found).message());
        self->try_next();
    });
}

void AddressRace::stop() {
    done_ = {};
    next_.cancel();
    deadline_.cancel();
    error_code ignored;
    for (Attempt& attempt : attempts_)
        attempt.socket.close(ignored);
}

void AddressRace::try_next() {
    if (tried_ == attempts_.size()) return;
    const std::size_t index = tried_++;
    attempts_[index].socket.async_connect(
        attempts_[index].address,
        [self = shared_from_this(), index](const error_code& error) { self->on_answer(index, error); });
    next_.expires_after(head_start);
    next_.async_wait([self = shared_from_this()](const error_code& error) {
        if (!error && self->done_) self->try_next();
    });
}

void AddressRace::on_answer(std::size_t index, const error_code& error) {
    if (!done_) return;
    Attempt& attempt = attempts_[index];
    if (!error) return end(std::move(attempt.socket), "");
    attempt.error = error;
    attempt.failed = true;
    if (++failed_ == attempts_.size()) return end(Socket(executor_), failures());
    if (tried_ < attempts_.size()) {
        next_.cancel();
        try_next();
    }
}

std::string AddressRace::failures() const {
    std::string text;
    for (const Attempt& attempt : attempts_)
        add_item(text,
                 web::Url::authority(attempt.address.address().to_string(), attempt.address.port()) + ": " +
                     (attempt.failed ? attempt.error.message() : "no answer"),
                 "; ");
    return text;
}

void AddressRace::end(Socket winner, std::string failure) {
    const Done done = std::move(done_);
    stop();
    done(std::move(winner), std::move(failure));
}

}  // namespace emprops::hub
