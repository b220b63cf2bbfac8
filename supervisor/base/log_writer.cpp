#include "supervisor/base/log_writer.h"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace emprops {

namespace {
/// So much is on its way to the descriptors beside the queue.
constexpr std::size_t batch_bytes = std::size_t{64} << 10;
}  // namespace

LogWriter::Targets::~Targets() {
    for (const int descriptor : owned)
        ::close(descriptor);
}

LogWriter::LogWriter(std::shared_ptr<const Targets> targets, Limits limits)
    : limits_(limits), targets_(std::move(targets)) {
    // Signals belong to the event loop's thread.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LogWriter::~LogWriter() {
    flush(1000);
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
        abandon_ = true;
    }
    more_.notify_all();
    thread_.join();
}

void LogWriter::push(std::string line) {
    {
        const std::lock_guard lock(mutex_);
        queued_bytes_ += line.size();
        queue_.push_back({std::move(line), targets_});
        while (queue_.size() > limits_.lines || (queued_bytes_ > limits_.bytes && queue_.size() > 1)) {
            queued_bytes_ -= queue_.front().text.size();
            queue_.pop_front();
            ++dropped_;
        }
    }
    more_.notify_one();
}

void LogWriter::set_targets(std::shared_ptr<const Targets> targets) {
    const std::lock_guard lock(mutex_);
    targets_ = std::move(targets);
}

void LogWriter::flush(int timeout_ms) {
    std::unique_lock lock(mutex_);
    drained_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                      [this] { return queue_.empty() && !writing_; });
}

std::uint64_t LogWriter::dropped() const {
    const std::lock_guard lock(mutex_);
    return dropped_;
}

void LogWriter::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        more_.wait(lock, [this] { return stop_ || !queue_.empty(); });
        if (stop_) return;  // what is left was not written within its second
        std::shared_ptr<const Targets> targets;
        const std::string text = take_batch(targets);
        writing_ = true;
        lock.unlock();
        for (const int descriptor : targets->descriptors)
            write_all(descriptor, text);
        targets.reset();
        lock.lock();
        writing_ = false;
        if (queue_.empty()) drained_.notify_all();
    }
}

/// Whole lines for one and the same targets. The mutex is held.
std::string LogWriter::take_batch(std::shared_ptr<const Targets>& targets) {
    targets = queue_.front().targets;
    std::string text;
    if (const auto lost = dropped_ - reported_; lost > 0)
        text = fmt::format("... {} log lines dropped: the reader of our log is too slow\n", lost);
    reported_ = dropped_;
    do {
        queued_bytes_ -= queue_.front().text.size();
        text += queue_.front().text;
        queue_.pop_front();
    } while (!queue_.empty() && queue_.front().targets == targets &&
             text.size() + queue_.front().text.size() <= batch_bytes);
    return text;
}

bool LogWriter::write_all(int descriptor, const std::string& text) {
    std::size_t done = 0;
    while (done < text.size()) {
        // poll() first: a blocking write to a stuck pipe could not be abandoned at exit.
        pollfd ready{descriptor, POLLOUT, 0};
        const int polled = ::poll(&ready, 1, 200);
        if (polled == 0) {
            const std::lock_guard lock(mutex_);
            if (abandon_) return false;
            continue;
        }
        // A pipe that is writable takes at least PIPE_BUF without blocking.
        const auto wrote =
            ::write(descriptor, text.data() + done, std::min<std::size_t>(text.size() - done, 4096));
        if (wrote < 0 && errno != EINTR && errno != EAGAIN) return false;
        if (wrote > 0) done += static_cast<std::size_t>(wrote);
    }
    return true;
}

}  // namespace emprops
