#pragma once
// Whose our jobs are: which of them the Hub is asked about and when, and what its answers lead to. An outcome
// of an earlier connection is sent only after an answer; a running job that was cancelled or given away is
// taken away; one that waits at the Hub is claimed again. Also the ends that nobody was asked for: cancels.
// Owned by the session.

#include <optional>
#include <string>
#include <string_view>

#include "supervisor/base/time.h"
#include "supervisor/hub/assignments.h"
#include "supervisor/hub/cancels.h"
#include "supervisor/hub/claims.h"
#include "supervisor/hub/connection.h"
#include "supervisor/hub/fence.h"
#include "supervisor/hub/intake.h"
#include "supervisor/hub/presence.h"
#include "supervisor/hub/session_settings.h"
#include "supervisor/hub/trouble.h"
#include "supervisor/hub/wire.h"
#include "supervisor/jobs/types.h"

namespace emprops::hub {

class Inquiry {
  public:
    /// The machines that its answers concern; all must outlive the inquiry.
    struct Parts {
        Connection& connection;
        Presence& presence;
        Claims& claims;
        Intake& intake;
        Assignments& assignments;
        Trouble& trouble;
    };
    Inquiry(const SessionSettings& settings, Wire& wire, Parts parts);

    // ---- the client connection
    void on_connected() { fence_.on_connected(); }
    void on_frame(TimePoint now, std::string_view text, const jobs::Capacity& capacity);
    void on_disconnected(const std::string& reason);
    void close();

    void cancel(TimePoint now, const std::string& job_id, const std::string& reason);
    /// The Hub told us unasked.
    void on_cancelled(TimePoint now, const std::string& job_id, const std::string& reason) {
        take_away(now, job_id, "cancelled", reason);
    }
    /// Cancels that the Hub does not confirm.
    void on_time(TimePoint now);
    /// The end of a batch: opens or closes the client connection and asks what is due.
    void steer(TimePoint now, const jobs::Capacity& capacity);
    /// A question that is asked now is probably answered soon.
    bool answers() const { return fence_.answers(); }

    /// When on_time() has something to do.
    std::optional<TimePoint> next_cancel() const { return cancels_.next_wakeup(); }
    /// When steer() has, for a connection that is welcomed. `last_batch`: when it was called last.
    std::optional<TimePoint> next_wakeup(TimePoint last_batch, const jobs::Capacity& capacity) const;

  private:
    void on_verdict(TimePoint now, const Verdict& verdict, const jobs::Capacity& capacity);
    void on_running(TimePoint now, const Verdict& verdict, const RunningJob& job);
    void on_withheld(TimePoint now, const Verdict& verdict, const jobs::Capacity& capacity);
    void take_away(TimePoint now, const std::string& job_id, const std::string& reason,
                   const std::optional<std::string>& cancelled = std::nullopt);
    bool wanted(TimePoint now, const jobs::Capacity& capacity) const;
    void ask(TimePoint now, const jobs::Capacity& capacity);
    bool idle(const jobs::Capacity& capacity) const;
    const WithheldJob* withheld_due(TimePoint now, const jobs::Capacity& capacity) const;

    const SessionSettings& settings_;
    Wire& wire_;
    Parts parts_;
    Fence fence_;
    Cancels cancels_;
};

}  // namespace emprops::hub
