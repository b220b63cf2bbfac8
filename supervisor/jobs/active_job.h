#pragma once
// One assignment on this worker, from its arrival until no connector holds it and its outcome is on disk. Plain
// data: only the book (job_book.h) changes it.

#include <cstdint>
#include <optional>
#include <string>

#include "ipc/messages.h"
#include "supervisor/base/time.h"
#include "supervisor/jobs/types.h"
#include "supervisor/process/types.h"

namespace emprops::jobs {

enum class JobState {
    left,        ///< an earlier worker process ran it; the Hub has not said yet whose it is
    held,        ///< no instance can take it yet
    recording,   ///< an instance is chosen, the ledger writes
    prepared,    ///< given to a connector, which has not been told to begin it
    running,     ///< given to a connector
    collecting,  ///< its connector is done with it; the worker takes its files
    delivering,  ///< no connector has it; its files are on their way
    resuming,    ///< its process died, waits for the next one
    stopping,    ///< its assignment has ended; the connector has not let go of it yet
    ended,       ///< no connector holds it; the ledger writes its outcome
};
const char* to_string(JobState state);

struct ActiveJob {
    Assignment assignment;
    PayloadMark mark;  ///< of its payload, once that is dropped
    std::string claimed_as;
    JobState state = JobState::held;
    TimePoint assigned_at;
    std::optional<process::InstanceId>
        instance;             ///< recording, prepared, running, stopping, mostly collecting
    bool ahead = false;       ///< of these, the first two: it has no slot there yet
    bool not_ahead = false;   ///< it is not prepared any more: that did not go well, or its process ended
    bool told_ahead = false;  ///< the Hub knows that it waits for its slot
    bool outcome_at_ledger = false;  ///< its outcome was made, and is not on disk yet
    bool left_behind = false;        ///< its delivery goes on at the next start, if the worker ends before
    int deaths = 0;                  ///< processes that died with it during this assignment

    struct Record {
        int unanswered = 0;                    ///< RecordJob actions without recorded() yet
        std::optional<std::string> connector;  ///< named in the newest of them
        bool with_payload = false;             ///< left: the ledger has its payload, so it can be resumed
        bool begun = false;                    ///< as noted in the newest of them
        bool delivering = false;               ///< left: its files are to be delivered
    } record;

    /// held, resuming, and until the job begins: when waiting ends, and with which error.
    struct Waiting {
        std::optional<TimePoint> until;
        ipc::JobError error;                   ///< set while resuming
        std::optional<std::string> resume_on;  ///< only this connector, with `resume`
        Ms window{0};                          ///< left: how long it may wait for that one
        int refusals = 0;                      ///< times a connector refused it, until one begins it
        std::string last_words;                ///< what the last one said
        std::string trouble;  ///< why the fleet could not give it, if that is no passing thing
    } waiting;

    /// The newest run.
    struct Run {
        int attempt = 0;
        std::uint64_t order = 0;  ///< of two jobs of one instance: which was given first
        TimePoint given_at;
        TimePoint last_sign;    ///< given, accepted or progress
        bool started = false;   ///< accepted or progress came
        bool resumed = false;   ///< it goes on with the work of a dead process
        bool released = false;  ///< it takes no slot any more
        std::optional<TimePoint> last_progress_at;
        ipc::Progress progress;
        /// How far it was, as it said first and last since its begin.
        struct Mark {
            TimePoint at;
            int percent = 0;
        };
        std::optional<Mark> first_mark, last_mark;
    } run;

    /// stopping
    struct Stop {
        enum class Cause { cancelled, given_back, timeout, hung };
        Cause cause = Cause::cancelled;
        std::optional<TimePoint> answer_until;  ///< the connector should answer the cancel by then
        bool may_end_process = false;           ///< its process may be stopped if it holds nothing else
    } stop;

    /// Ours at the Hub.
    bool live() const {
        return state != JobState::stopping && state != JobState::left && state != JobState::ended;
    }
    /// A connector has it.
    bool given() const { return begun() || state == JobState::prepared; }
    /// A connector has been told to begin it.
    bool begun() const { return state == JobState::running || state == JobState::stopping; }
    /// Of one that is bound to an instance: what ends there may be its fault although others are there.
    bool may_be_at_fault() const { return !run.released && !delivered_by_us(); }
    /// Its connector has said its result; the rest is the worker's.
    bool delivered_by_us() const { return state == JobState::collecting || state == JobState::delivering; }
    bool waits() const { return state == JobState::held || state == JobState::resuming; }
    const std::string& id() const { return assignment.job_id; }
    /// The connector that it is bound to or waits for; empty: none.
    std::string connector() const { return instance ? instance->connector : waiting.resume_on.value_or(""); }
};

/// One job as people and the Hub side see it.
struct JobView {
    std::string job_id;
    std::uint64_t number = 0;
    std::string job_type;
    std::int64_t priority = 0;
    JobState state = JobState::held;
    std::optional<process::InstanceId> instance;
    int attempt = 0;  ///< 0: not given to any connector yet
    TimePoint assigned_at;
    std::optional<TimePoint> given_at;
    std::optional<TimePoint> last_progress_at;
    ipc::Progress progress;  ///< the newest one; meaningful when last_progress_at is set
};

}  // namespace emprops::jobs
