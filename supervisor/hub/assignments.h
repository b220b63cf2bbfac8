#pragma once
// Every assignment, from the Hub's word to the end that the Hub knows: the jobs that run here, the outcomes
// on their way, and the jobs that the Hub keeps from our id afterwards. Moves them from one to the next. Pure;
// owned by the session.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/base/time.h"
#include "supervisor/hub/outbox.h"
#include "supervisor/hub/running_jobs.h"
#include "supervisor/hub/session_settings.h"
#include "supervisor/hub/wire.h"
#include "supervisor/hub/withheld_jobs.h"
#include "supervisor/jobs/job_link.h"
#include "supervisor/jobs/types.h"

namespace emprops::hub {

class Assignments {
  public:
    /// Both must outlive the assignments.
    Assignments(const SessionSettings& settings, Wire& wire);

    void adopt(TimePoint now, jobs::LedgerEntry entry);
    /// The Hub gave it to us, and this is reserved for it.
    void begin(TimePoint now, Assignment assignment, TimePoint offered_at, jobs::Place place);
    /// The Hub gave it to us, and it is not begun here: it goes back.
    void refuse(TimePoint now, const std::string& job_id, const std::string& job_type, const char* code,
                const std::string& why);
    /// The outcome of a job that ran here. `asks`: a question would be answered soon. False: it does not run
    /// (any more), or was taken away.
    bool deliver(TimePoint now, jobs::Outcome outcome, bool asks);
    /// True: it ran, and ended without anything to report.
    bool undelivered(const std::string& job_id, std::uint64_t number);
    /// The job is not ours any more: `reason` is a word of NotDelivered, `cancelled` the reason of a cancel.
    /// True: it ran here.
    bool take_away(const std::string& job_id, const std::string& reason,
                   const std::optional<std::string>& cancelled);

    void on_welcomed(TimePoint now);
    /// As Outbox::on_disconnected. `fresh_id`: the next connection has another id.
    void on_disconnected(TimePoint now, const std::optional<std::string>& reason, bool fresh_id);
    void on_failed_ack(TimePoint now, const std::string& job_id);
    /// The Hub has put the job back into its queue, but never gives it to this id again.
    void on_put_back(TimePoint now, const OutboxItem& item);

    /// Outcomes and jobs that are not known to be ours.
    bool unfenced() const { return running_.unfenced() || outbox_.unfenced(); }
    /// Goes on without knowing with those of which nobody could say it for this long.
    void release_unfenced(TimePoint now, Ms older_than);
    /// The same, where there is nobody to ask.
    void release_if_nobody_answers(TimePoint now) {
        if (!settings_.watch_enabled()) release_unfenced(now, Ms(0));
    }
    bool none() const { return running_.empty() && outbox_.empty(); }

    /// The jobs that run here.
    RunningJobs& running() { return running_; }
    const RunningJobs& running() const { return running_; }
    /// The outcomes on their way.
    Outbox& outbox() { return outbox_; }
    const Outbox& outbox() const { return outbox_; }
    /// The jobs that the Hub keeps from our id.
    WithheldJobs& withheld() { return withheld_; }
    const WithheldJobs& withheld() const { return withheld_; }

  private:
    const SessionSettings& settings_;
    Wire& wire_;
    RunningJobs running_;
    Outbox outbox_;
    WithheldJobs withheld_;
    std::uint64_t next_number_;
};

}  // namespace emprops::hub
