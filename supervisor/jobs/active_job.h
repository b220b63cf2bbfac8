#pragma once
// One assignment inside the dispatcher, from its arrival until no connector holds it any more. Plain data;
// the rules are the dispatcher's.

#include <cstdint>
#include <optional>
#include <string>

#include "ipc/messages.h"
#include "supervisor/base/time.h"
#include "supervisor/jobs/types.h"
#include "supervisor/process/types.h"

namespace emprops::jobs {

enum class JobState {
    held,       ///< no instance can take it yet
    recording,  ///< an instance is chosen, the ledger writes
    running,    ///< given to a connector
    resuming,   ///< its process died, waits for the next one
    stopping,   ///< its assignment has ended; the connector has not let go of it yet
};
const char* to_string(JobState state);

struct ActiveJob {
    Assignment assignment;
    std::string claimed_as;
    JobState state = JobState::held;
    TimePoint assigned_at;
    std::optional<process::InstanceId> instance;  ///< recording, running, stopping

    // The ledger.
    int unanswered_records = 0;               ///< RecordJob actions without recorded() yet
    std::optional<std::string> recorded_for;  ///< connector named in the newest RecordJob

    // held and resuming: when waiting ends, and with which error if no instance came.
    std::optional<TimePoint> waits_until;
    ipc::JobError waiting_error;           ///< set while resuming
    std::optional<std::string> resume_on;  ///< only this connector, with `resume`
    int not_started = 0;                   ///< times a connector refused it, until one begins it
    std::string last_words;                ///< what the last one said
    std::string refusal;                   ///< why the fleet could not give it, if that is no passing thing
    int deaths = 0;                        ///< processes that died with it during this assignment

    // running
    int attempt = 0;
    std::uint64_t given_order = 0;  ///< of two jobs of one instance: which was given first
    TimePoint given_at;
    TimePoint last_sign;   ///< given, accepted or progress
    bool started = false;  ///< accepted or progress came
    bool resumed = false;  ///< this attempt goes on with the work of a dead process
    std::optional<TimePoint> last_progress_at;
    ipc::Progress progress;

    // stopping
    enum class Cause { cancelled, given_back, timeout, hung };
    Cause cause = Cause::cancelled;
    std::optional<TimePoint> answer_until;  ///< the connector should answer the cancel by then
    bool let_stop = false;                  ///< its process may be stopped if it holds nothing else

    bool live() const { return state != JobState::stopping; }
    const std::string& id() const { return assignment.job_id; }
};

}  // namespace emprops::jobs
