#include "connector-sdk/cpp/src/writer.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <utility>

namespace emprops::sdk {

Writer::Writer(int fd, std::function<void()> on_broken)
    : fd_(fd), on_broken_(std::move(on_broken)), thread_([this] { run(); }) {}

Writer::~Writer() {
    {
        std::lock_guard lock(mutex_);
        stop_ = true;
        wake_.notify_all();
    }
    thread_.join();
    close();
}

void Writer::set_max_line_bytes(std::size_t bytes) {
    std::lock_guard lock(mutex_);
    queue_.set_max_line_bytes(bytes);
}

void Writer::send(std::string line) {
    std::lock_guard lock(mutex_);
    if (broken_) return;
    queue_.push(std::move(line));
    wake_.notify_all();
}

void Writer::send_droppable(std::string line) {
    std::lock_guard lock(mutex_);
    if (broken_) return;
    queue_.push_droppable(std::move(line));
    wake_.notify_all();
}

void Writer::progress(ipc::Progress progress) {
    std::lock_guard lock(mutex_);
    if (broken_) return;
    queue_.progress(std::move(progress), Clock::now());
    wake_.notify_all();
}

void Writer::finish(const std::string& job_id, std::string line) {
    std::lock_guard lock(mutex_);
    if (broken_) return;
    queue_.finish(job_id, std::move(line));
    wake_.notify_all();
}

void Writer::send_raw(std::string bytes) {
    send(std::move(bytes));
    flush();
}

void Writer::flush() {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return broken_ || (queue_.empty() && !writing_); });
}

void Writer::close() {
    const int fd = fd_.exchange(-1);
    if (fd >= 0) ::close(fd);
}

void Writer::run() {
    std::unique_lock lock(mutex_);
    while (!stop_) {
        auto line = queue_.next(Clock::now());
        if (!line) {
            idle_.notify_all();
            report_dropped();
            if (const auto due = queue_.next_due())
                wake_.wait_until(lock, *due);
            else
                wake_.wait(lock);
            continue;
        }
        writing_ = true;
        lock.unlock();
        const bool written = write_all(*line);
        lock.lock();
        writing_ = false;
        if (written) continue;
        broken_ = true;
        queue_.clear();
        idle_.notify_all();
        lock.unlock();
        on_broken_();
        return;
    }
}

void Writer::report_dropped() {
    if (queue_.dropped() == reported_dropped_) return;
    std::fprintf(stderr,
                 "emprops: %llu log lines or service requests were dropped, the supervisor did not read\n",
                 static_cast<unsigned long long>(queue_.dropped() - reported_dropped_));
    reported_dropped_ = queue_.dropped();
}

bool Writer::write_all(std::string_view bytes) {
    while (!bytes.empty()) {
        const int fd = fd_;
        if (fd < 0) return true;  // closed on purpose
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(n));
        } else if (errno == EAGAIN) {  // a supervisor may hand us a non-blocking end
            pollfd writable{fd, POLLOUT, 0};
            ::poll(&writable, 1, -1);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

}  // namespace emprops::sdk
