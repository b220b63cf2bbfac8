#pragma once
// Writes finished log lines to a descriptor from a thread of its own, so that a stuck terminal or a full pipe
// never stops the event loop. Bounded to a few megabytes: when the reader is too slow the oldest lines go,
// and a line says how many. push() from any thread; owned by the log sink.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace emprops {

class LogWriter {
  public:
    struct Limits {
        std::size_t lines = 16'384;
        std::size_t bytes = std::size_t{4} << 20;
    };
    /// Where lines go. The descriptors in `owned` are closed with it.
    struct Targets {
        Targets(std::vector<int> all, std::vector<int> owned_descriptors)
            : descriptors(std::move(all)), owned(std::move(owned_descriptors)) {}
        ~Targets();
        Targets(const Targets&) = delete;
        Targets& operator=(const Targets&) = delete;

        const std::vector<int> descriptors;
        const std::vector<int> owned;
    };

    LogWriter(std::shared_ptr<const Targets> targets, Limits limits);
    /// Writes what is queued for at most one second, then gives up on the rest.
    ~LogWriter();
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;

    void push(std::string line);
    /// For the lines from now on; those in the queue still go where they belong. Does not wait.
    void set_targets(std::shared_ptr<const Targets> targets);
    /// Waits until everything queued is written or the time is over.
    void flush(int timeout_ms);
    std::uint64_t dropped() const;

  private:
    void run();
    std::string take_batch(std::shared_ptr<const Targets>& targets);
    bool write_all(int descriptor, const std::string& text);

    struct Line {
        std::string text;
        std::shared_ptr<const Targets> targets;
    };

    const Limits limits_;
    mutable std::mutex mutex_;
    std::condition_variable more_;
    std::condition_variable drained_;
    std::shared_ptr<const Targets> targets_;
    std::deque<Line> queue_;
    std::size_t queued_bytes_ = 0;
    std::uint64_t dropped_ = 0;
    std::uint64_t reported_ = 0;
    bool writing_ = false;
    bool stop_ = false;
    bool abandon_ = false;
    std::thread thread_;
};

}  // namespace emprops
