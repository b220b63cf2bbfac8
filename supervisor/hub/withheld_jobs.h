#pragma once
// Jobs that wait at the Hub and that it keeps from our present id: those that this id failed (the Hub never
// gives a job to the id that failed it last) and those whose claim it refused. With one worker nobody would
// ever run them, and a refused one is offered first in every round, so that nothing else is. A fresh id is
// the cure. Pure; bounded; owned by the session, which asks the Hub about
// them when it is idle, and reconnects.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ipc/messages.h"
#include "supervisor/base/time.h"

namespace emprops::hub {

struct WithheldJob {
    std::string job_id;
    std::string job_type;
    std::string why;  ///< the code with which it failed here, or "claim refused"
    TimePoint since;
    TimePoint look_at;     ///< not asked about before this
    bool refused = false;  ///< its claim was; else it failed here
    bool waits = false;    ///< the Hub said that it is pending
};

/// A failure that says nothing against running the job here once more: this worker lost it, and neither its
/// connector nor its poison record accused the job.
bool lost_here(const ipc::JobError& error);

/// For a person: what, why, what follows. `exact_id`: a fresh one is not possible.
std::string withheld_text(const WithheldJob& job, const std::string& worker_id, bool exact_id);
/// The first half of it.
std::string withheld_sentence(const WithheldJob& job, const std::string& worker_id);

class WithheldJobs {
  public:
    /// Others get this long to take the job.
    static constexpr Ms patience{5'000};
    /// A fresh id costs the Hub a connection and a registration.
    static constexpr Ms renewal_gap{60'000};
    static constexpr std::size_t most = 256;

    void failed_here(TimePoint now, const std::string& job_id, const std::string& job_type,
                     const std::string& code);
    void claim_refused(TimePoint now, const std::string& job_id, const std::string& job_type);
    void forget(const std::string& job_id);
    void clear() { jobs_.clear(); }

    enum class Step { none, tell, claim, fresh_id };
    /// The Hub says that the job is pending; what to do about it. `idle`: nothing else is to be done here.
    /// With an id that must not change its claim is tried again if there is a `place`: not by its offer, which
    /// comes with a heartbeat only, and the third refusal ends it.
    Step still_waits(TimePoint now, const std::string& job_id, bool exact_id, bool idle, bool place);

    /// The one to ask about now: due the longest, of a type that could run here.
    const WithheldJob* due(TimePoint now, const std::function<bool(const std::string& type)>& fits) const;
    bool any_due(TimePoint now) const;
    WithheldJob* find(const std::string& job_id);
    /// The next look that is not due at `now` yet.
    std::optional<TimePoint> next_look(TimePoint now) const;
    /// Those of which the Hub has said that they wait, oldest first.
    std::vector<WithheldJob> waiting() const;
    std::size_t size() const { return jobs_.size(); }

  private:
    void add(WithheldJob job);
    std::map<std::string, WithheldJob> jobs_;
    std::optional<TimePoint> renewed_at_;  ///< the last fresh id for one of them
};

}  // namespace emprops::hub
