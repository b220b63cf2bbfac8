#include "connector-sdk/cpp/src/cancel_token.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <system_error>
#include <utility>

#include "ipc/time/clock.h"

namespace emprops::sdk {
namespace {

constexpr std::chrono::milliseconds longest_wait = std::chrono::hours(24 * 365);

}  // namespace

void CancelToken::cancel(const std::string& reason, Cause cause) {
    std::lock_guard lock(mutex_);
    if (fired_) {
        if (cause == Cause::cancel) cause_ = cause;
        return;
    }
    fired_ = true;
    cause_ = cause;
    reason_ = reason;
    for (auto& callback : std::exchange(callbacks_, {}))
        start(std::move(callback));
    changed_.notify_all();
}

bool CancelToken::cancelled() const {
    std::lock_guard lock(mutex_);
    observed_ = observed_ || fired_;
    return fired_;
}

std::string CancelToken::reason() const {
    std::lock_guard lock(mutex_);
    return reason_;
}

bool CancelToken::wait(std::chrono::milliseconds duration) const {
    std::unique_lock lock(mutex_);
    // In running time, and so far from the end of time that nothing overflows.
    const TimePoint until = Clock::now() + std::min(duration, longest_wait);
    changed_.wait_until(lock, until, [this] { return fired_; });
    observed_ = observed_ || fired_;
    return fired_;
}

void CancelToken::on_cancel(std::function<void()> callback) {
    std::lock_guard lock(mutex_);
    if (fired_)
        start(std::move(callback));
    else
        callbacks_.push_back(std::move(callback));
}

bool CancelToken::wait_turn() const {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return turn_ || fired_; });
    observed_ = observed_ || fired_;
    return !fired_;
}

void CancelToken::set_turn(bool come) {
    std::lock_guard lock(mutex_);
    turn_ = come;
    changed_.notify_all();
}

bool CancelToken::has_turn() const {
    std::lock_guard lock(mutex_);
    return turn_;
}

void CancelToken::start(std::function<void()> callback) {
    if (joined_ || !callback) return;
    observed_ = true;
    try {
        threads_.emplace_back([callback = std::move(callback)] {
            try {
                callback();
            } catch (const std::exception& error) {
                std::fprintf(stderr, "emprops: a cancel callback threw: %s\n", error.what());
            } catch (...) {
                std::fprintf(stderr, "emprops: a cancel callback threw\n");
            }
        });
    } catch (const std::system_error& error) {
        std::fprintf(stderr, "emprops: no thread for a cancel callback: %s\n", error.what());
    }
}

bool CancelToken::fired() const {
    std::lock_guard lock(mutex_);
    return fired_;
}

CancelToken::Cause CancelToken::cause() const {
    std::lock_guard lock(mutex_);
    return cause_;
}

bool CancelToken::observed() const {
    std::lock_guard lock(mutex_);
    return observed_;
}

void CancelToken::join() {
    std::vector<std::thread> threads;
    {
        std::lock_guard lock(mutex_);
        joined_ = true;
        callbacks_.clear();
        threads.swap(threads_);
    }
    for (auto& thread : threads)
        thread.join();
}

}  // namespace emprops::sdk
