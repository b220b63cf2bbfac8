#include "supervisor/base/alarm.h"

#include <utility>

namespace emprops {

Alarm::Alarm(const boost::asio::any_io_executor& executor, std::function<void()> work)
    : timer_(executor), work_(std::move(work)) {}

void Alarm::set(std::optional<TimePoint> when) {
    due_ = when;
    if (!due_) {
        if (armed_.has_value()) timer_.cancel();
        armed_.reset();
    } else if (!armed_ || *due_ < *armed_) {
        arm(*due_);
    }
}

void Alarm::arm(TimePoint when) {
    armed_ = when;
    timer_.expires_at(when);
    timer_.async_wait(lifetime_.guard([this](const boost::system::error_code& error) {
        if (!error) ring();
    }));
}

void Alarm::ring() {
    armed_.reset();
    if (!due_) return;
    if (Clock::now() < *due_) return arm(*due_);
    due_.reset();
    const auto work = work_;  // outlives us
    work();
}

}  // namespace emprops
