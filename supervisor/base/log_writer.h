#pragma once
// Writes finished log lines to a descriptor from a thread of its own, so that a stuck terminal or a full pipe
// never stops the event loop. Bounded: when the reader is too slow the oldest lines go, and a line says how
// many. push() from any thread; owned by the log sink.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace emprops {

class LogWriter {
  public:
    struct Limits {
        std::size_t lines = 16'384;
        std::size_t bytes = std::size_t{16} << 20;
    };

    /// Writes to all of `descriptors`; does not own them.
    LogWriter(std::vector<int> descriptors, Limits limits);
    /// Writes what is queued for at most one second, then gives up on the rest.
    ~LogWriter();
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;

    void push(std::string line);
    /// Waits until everything queued is written or the time is over.
    void flush(int timeout_ms);
    std::uint64_t dropped() const;

  private:
    void run();
    bool write_all(int descriptor, const std::string& text);

    const std::vector<int> descriptors_;
    const Limits limits_;
    mutable std::mutex mutex_;
    std::condition_variable more_;
    std::condition_variable drained_;
    std::deque<std::string> queue_;
    std::size_t queued_bytes_ = 0;
    std::uint64_t dropped_ = 0;
    std::uint64_t reported_ = 0;
    bool writing_ = false;
    bool stop_ = false;
    bool abandon_ = false;
    std::thread thread_;
};

}  // namespace emprops
