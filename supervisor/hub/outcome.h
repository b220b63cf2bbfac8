#pragma once
// An outcome on its way to the Hub. Plain data, the rules are the outbox's and the bulk sender's.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "supervisor/base/time.h"
#include "supervisor/hub/bulk_lane.h"
#include "supervisor/hub/wire.h"
#include "supervisor/jobs/types.h"

namespace emprops::hub {

struct OutboxItem {
    /// `fencing`: not sent without an answer of the Hub. `asking`: the same, but not for long.
    enum class State { fencing, asking, ready, sent };
    jobs::Outcome outcome;
    std::string job_type;
    std::set<std::string> claimed_as;
    State state = State::fencing;
    bool sent_before = false;  ///< or perhaps, by an earlier process
    TimePoint queued_at;
    TimePoint since;            ///< when it came into this state; `sent`: when it was written
    bool written = false;       ///< `sent`: known to have left; until then `since` is when it last had not
    std::uint64_t ends_at = 0;  ///< `sent`: bytes given to the connection up to its end
    bool bulk = false;          ///< it is to leave, or has left, over the connection for large results
    Upload upload;
    TimePoint last_sign;              ///< last message to the Hub that keeps the job ours
    bool asked = false;               ///< `asking`: the question has left
    std::optional<TimePoint> ask_at;  ///< `sent`: the Hub had trouble; asked about it then

    const std::string& job_id() const { return outcome.job_id; }
    bool completed() const { return std::holds_alternative<jobs::Completed>(outcome.value); }
    /// Bytes of the result; a failure is small.
    std::size_t size() const;
    void enter(State next, TimePoint now) {
        state = next;
        since = now;
    }
    void sent(TimePoint now, std::size_t frame_bytes);
    /// It waits for the connection for large results, or has been given to it: until the Hub has it that may
    /// take minutes, in which the job is kept alive and asked about as a running one.
    bool on_its_way() const { return bulk && (state == State::ready || state == State::sent); }
    /// The Hub is asked now and then what the job is.
    bool asked_about() const { return state == State::fencing || on_its_way(); }
};

/// The message that reports it. A result above `limit` or our memory becomes a failure first, which is logged.
std::string outcome_frame(Wire& wire, std::size_t limit, jobs::Outcome& outcome);
/// What monitors see before a completion.
std::string completed_progress_frame(const Wire& wire, const std::string& job_id);

}  // namespace emprops::hub
