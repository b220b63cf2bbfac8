#pragma once
// What waits to be written to the supervisor. Pure: time is a parameter, writing is somebody else's
// (writer.h, which also does the locking). Outcomes are never dropped and never overtaken by a progress of
// their job; progress is merged (the newest of a job wins, one per 50 ms, the last one before the outcome is
// kept); log lines are dropped beyond a limit, so that a supervisor that does not read makes nobody's memory
// grow.

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "ipc/messages.h"
#include "ipc/time/clock.h"

namespace emprops::sdk {

struct OutgoingLimits {
    std::chrono::milliseconds progress_interval{50};
    /// Log lines and service requests that may wait.
    std::size_t droppable_bytes = std::size_t{4} << 20;
    /// A longer line of ours is sent without its details (hello.max_line_bytes).
    std::size_t max_line_bytes = std::size_t{24} << 20;
};

class OutgoingQueue {
  public:
    explicit OutgoingQueue(OutgoingLimits limits = {}) : limits_(limits) {}
    void set_max_line_bytes(std::size_t bytes) { limits_.max_line_bytes = bytes; }

    /// A line that must arrive, "\n" included.
    void push(std::string line);
    /// A line that may be lost (log, service_request); lost ones are counted.
    void push_droppable(std::string line);
    void progress(ipc::Progress progress, TimePoint now);
    /// The line that ends the job, after its last progress.
    void finish(const std::string& job_id, std::string line);

    /// The next line to write, or nullopt when nothing is due yet.
    std::optional<std::string> next(TimePoint now);
    /// When a waiting progress becomes due; nullopt: nothing waits for a time.
    std::optional<TimePoint> next_due() const;
    bool empty() const { return lines_.empty() && !next_due(); }
    std::uint64_t dropped() const { return dropped_; }
    void clear();

  private:
    struct Line {
        std::string text;
        bool droppable = false;
        std::string progress_of{};  // job id, if it is a progress
    };
    struct JobProgress {
        bool queued = false;  // one stands in lines_
        std::optional<ipc::Progress> waiting;
        TimePoint due;  // of the next one
    };
    std::string encode_progress(ipc::Progress progress) const;

    OutgoingLimits limits_;
    std::deque<Line> lines_;
    std::map<std::string, JobProgress> progress_;
    std::size_t droppable_bytes_ = 0;
    std::uint64_t dropped_ = 0;
};

}  // namespace emprops::sdk
