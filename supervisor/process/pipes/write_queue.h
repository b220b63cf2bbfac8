#pragma once
// What waits for a connector's stdin: whole lines, bounded, with the time of the last byte taken. Pure; owned
// by one ChildIo.

#include <cstddef>
#include <deque>
#include <string_view>
#include <vector>

#include "ipc/codec.h"
#include "supervisor/base/time.h"

namespace emprops::process {

class WriteQueue {
  public:
    /// At most `limit_bytes` wait, or one line if that is longer.
    explicit WriteQueue(std::size_t limit_bytes) : limit_(limit_bytes) {}

    /// Whether a job of this size may be pushed. Control lines (ping, cancel, drain) are few and always fit.
    bool fits(std::size_t bytes) const { return lines_.empty() || bytes_ + bytes <= limit_; }
    /// `job`: may be taken back by drop_jobs while it has not been begun.
    void push(ipc::SharedLine line, bool job, TimePoint now);
    /// Forgets jobs of which no byte was sent: the process is being stopped.
    void drop_jobs();
    void clear();

    bool empty() const { return lines_.empty(); }
    std::size_t bytes() const { return bytes_; }
    /// What to send next, in pieces: as many lines as make up `most_bytes`, at least one if there is one.
    std::vector<std::string_view> next(std::size_t most_bytes) const;
    /// `bytes` of next() were taken.
    void consume(std::size_t bytes, TimePoint now);
    /// Since when nothing was taken; only meaningful while not empty.
    TimePoint waiting_since() const { return waiting_since_; }

  private:
    struct Line {
        ipc::SharedLine text;
        bool job = false;
    };
    std::size_t limit_;
    std::deque<Line> lines_;
    std::size_t bytes_ = 0;
    std::size_t sent_ = 0;  // of the first line
    TimePoint waiting_since_{};
};

}  // namespace emprops::process
