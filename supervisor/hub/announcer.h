#pragma once
// Decides what the Hub is told about our capacity: which job types, idle or busy, and when. Pure; owned by
// the session. Three habits of the Hub rule it: each idle message makes it scan its whole queue (so: exactly
// one message per change); it offers a job to the first idle worker that names the type and to nobody else
// (so: only types with a free slot are named while idle); register_worker sets us to idle whatever it says
// (so: a busy registration is followed by a status).

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "supervisor/base/time.h"
#include "supervisor/jobs/types.h"

namespace emprops::hub {

/// What to send. Order: `withdraw`, then outcomes, then `registration` or `status`.
struct Announcement {
    struct Registration {
        std::vector<std::string> job_types;
        bool idle = false;
        bool operator==(const Registration&) const = default;
    };
    std::optional<Registration> withdraw;      ///< always busy
    std::optional<Registration> registration;  ///< a busy one is followed by the status busy
    std::optional<bool> status;                ///< true: idle
    bool operator==(const Announcement&) const = default;
};

class Announcer {
  public:
    struct Situation {
        const jobs::Capacity* capacity = nullptr;
        /// The same object as before: nothing in it has changed. May be missing.
        std::shared_ptr<const jobs::Capacity> shared;
        bool outcomes = false;  ///< outcomes leave in this batch
        bool claim = false;     ///< a claim is outstanding: nothing may say idle, the status is held
        bool ending = false;    ///< a job has ended, its outcome follows: what it freed is told with it
        bool takes_back =
            false;          ///< the Hub takes back what has not begun: it is told apart what is taken ahead
        bool hold = false;  ///< outcomes of an earlier connection are not settled: stay busy
    };

    /// A new connection: nothing has been told. Returns the registration to begin with; it is busy, the
    /// status or heartbeat after it says the rest (told()).
    Announcement::Registration on_connected(TimePoint now, const Situation& situation);
    Announcement decide(TimePoint now, const Situation& situation);

    /// The Hub's idea of us is stale (an outcome was sent, a claim was answered or timed out): tell it again,
    /// not before `not_before`.
    void owe_status(TimePoint not_before);
    /// What the registration says besides job types has changed: register again, but for this reason at most
    /// once a second (a connector may change its capabilities as often as it likes).
    void owe_registration(TimePoint now);

    TimePoint last_status() const { return last_status_; }
    bool told_idle() const { return idle_; }
    const std::vector<std::string>& told_types() const { return types_; }
    /// To be said with each status, where the Hub takes jobs back.
    const std::vector<std::string>& told_ahead() const { return ahead_; }
    /// Job types kept in mind beyond those that are told: bounded.
    std::size_t remembered_types() const { return lost_.size() + returned_at_.size(); }
    /// When something that is held back by time may be told.
    std::optional<TimePoint> next_wakeup() const;

  private:
    struct Wish {
        std::vector<std::string> allowed;  ///< may be named at all
        std::vector<std::string> types;    ///< to be named
        std::vector<std::string> ahead;    ///< to be named apart
        bool idle = false;
    };
    Wish wish(TimePoint now, const Situation& situation);
    std::vector<std::string> without_flapping(TimePoint now, const std::vector<std::string>& able);
    bool nothing_new(TimePoint now, const Situation& situation) const;
    Announcement look(TimePoint now, const Situation& situation);
    bool narrows_too_soon(TimePoint now, const Wish& want);
    bool waits_for_outcomes(TimePoint now, const Situation& situation);
    void tell(TimePoint now, std::vector<std::string> types, bool idle);

    std::vector<std::string> types_;
    std::vector<std::string> ahead_;
    bool idle_ = false;
    std::optional<TimePoint> status_owed_;
    std::optional<TimePoint> registration_owed_;
    std::optional<TimePoint> last_registration_;
    TimePoint last_status_{};
    std::set<std::string> lost_;  ///< types that were named and then became impossible; bounded
    std::map<std::string, TimePoint> returned_at_;  ///< such a type was named again, not long ago
    std::optional<TimePoint> flapping_until_;
    std::optional<TimePoint> ending_until_;  ///< outcomes are on their way; they are waited for until then
    bool ending_late_ = false;
    std::optional<TimePoint> narrow_at_;  ///< a type of a long list is full; the list is not sent before
    std::optional<Situation> quiet_;      ///< in this one nothing was to be said
};

}  // namespace emprops::hub
