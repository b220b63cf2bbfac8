#pragma once
// Where jobs come in: what becomes of an offer, of the answer to a claim, of an assignment, by what is known
// of the job here. Holds no state; joins the claims with the assignments and with what the Hub is told of us.
// Owned by the session.

#include <string>

#include "supervisor/base/time.h"
#include "supervisor/hub/assignments.h"
#include "supervisor/hub/claims.h"
#include "supervisor/hub/presence.h"
#include "supervisor/hub/session_settings.h"
#include "supervisor/hub/wire.h"

namespace emprops::hub {

class Intake {
  public:
    /// All must outlive the intake.
    Intake(const SessionSettings& settings, Wire& wire, Claims& claims, Assignments& assignments,
           Presence& presence)
        : settings_(settings), wire_(wire), claims_(claims), assignments_(assignments), presence_(presence) {}

    /// `holds`: outcomes and jobs of an earlier connection come first, nothing new is taken. `draining`:
    /// nothing is taken at all.
    void on_offer(TimePoint now, const Offer& offer, bool holds, bool draining);
    void on_claim_refused(TimePoint now, const std::string& job_id, bool holds, bool draining);
    void on_claim_not_idle(TimePoint now, const std::string& job_id);
    void on_assigned(TimePoint now, Assignment assignment);
    /// The answer to PlaceWanted.
    void on_place(TimePoint now, const std::string& job_id, jobs::Place place);
    /// A claim that is not answered is given up.
    void on_time(TimePoint now);

    /// A job that runs here, and that the Hub has taken back, is claimed again.
    void reclaim(TimePoint now, const std::string& job_id);
    /// A job that the Hub offers again and again and never gives.
    void refuse_for_ever(TimePoint now, const std::string& job_id);

  private:
    void claim_again(TimePoint now, const std::string& job_id);
    void refuse(TimePoint now, const std::string& job_id, const std::string& job_type, const char* code,
                const std::string& why);

    const SessionSettings& settings_;
    Wire& wire_;
    Claims& claims_;
    Assignments& assignments_;
    Presence& presence_;
};

}  // namespace emprops::hub
