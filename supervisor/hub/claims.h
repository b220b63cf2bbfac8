#pragma once
// From the Hub's offer to its assignment: which offers are answered, the claims that are outstanding, what
// the Hub refused. A claim takes a place here: the wish for one goes out (PlaceWanted), the answer comes in,
// and a place of which nothing comes is released. Pure; owned by the session.

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "supervisor/base/time.h"
#include "supervisor/hub/refusal_cache.h"
#include "supervisor/hub/session_settings.h"
#include "supervisor/hub/wire.h"
#include "supervisor/jobs/job_link.h"

namespace emprops::hub {

class Claims {
  public:
    /// A claim that is outstanding.
    struct Claim {
        std::string job_id;
        std::string job_type;
        TimePoint offered_at;
        TimePoint last_sign;                    ///< sent, or the last chunk of the answer
        bool readopt = false;                   ///< the job runs here already and has its place
        jobs::Place place = jobs::Place::none;  ///< what was reserved for it
        bool has_place() const { return place != jobs::Place::none; }
    };
    /// An offer to be claimed, or an assignment that came without a claim.
    using Wish = std::variant<Offer, Assignment>;

    /// Both must outlive the claims.
    Claims(const SessionSettings& settings, Wire& wire);

    /// So many claims may be outstanding together. With one status per worker, which a claim makes busy, it is one.
    void set_at_once(std::size_t most) { at_once_ = most; }
    std::size_t at_once() const { return at_once_; }

    // ---- offers

    /// False: the Hub refused us this job a moment ago, its offer is not answered.
    bool hears(TimePoint now, const std::string& job_id) const { return !refusals_.contains(now, job_id); }
    /// True: it is being claimed, or no further claim may be made now. If one is refused, the offer is looked at again.
    bool defers(TimePoint now, const Offer& offer);
    /// Asks for a place; the answer is taken with take_wish().
    void want_place(Wish wish);
    std::optional<Wish> take_wish(const std::string& job_id);

    void claim(TimePoint now, const Offer& offer, jobs::Place place);
    /// Of a job that runs here; `earlier_ids`: under which we held it before.
    void claim_again(TimePoint now, const std::string& job_id, const std::string& job_type,
                     const std::vector<std::string>& earlier_ids);

    // ---- answers

    struct Refused {
        bool withheld = false;        ///< the outstanding claim, of a job that does not run here
        std::string job_type;         ///< of that job
        bool for_ever = false;        ///< it is offered first in every round, and nothing else is
        std::optional<Offer> next{};  ///< came meanwhile, and is worth a look
    };
    Refused on_refused(TimePoint now, const std::string& job_id);
    /// A part of the assignment has come: the Hub answers, this claim and those behind it.
    void on_sign(TimePoint now, const std::string& job_id);
    /// The job was assigned: ends its claim. The place, if it had one, is the caller's to use or release.
    std::optional<Claim> on_assigned(const std::string& job_id);
    void release(const Claim& claim);
    /// The claim of this job, if it is outstanding, is given up; its place is released.
    void drop(const std::string& job_id);
    /// The job that was to be claimed again has ended.
    void forget_again(const std::string& job_id);
    void drop();
    /// True: the Hub has not answered for too long, the claim was given up.
    bool check(TimePoint now);
    /// `fresh_id`: the next connection has another id; what was refused to this one may be given to that.
    void on_disconnected(bool fresh_id);

    // ---- jobs that the Hub refuses for ever, asked about before they are failed

    void probe(TimePoint now, const std::string& job_id) { probes_[job_id] = now; }
    /// True: this answer was waited for.
    bool probed(const std::string& job_id) { return probes_.erase(job_id) != 0; }
    void expire_probes(TimePoint now);
    const std::map<std::string, TimePoint>& probes() const { return probes_; }

    bool outstanding() const { return !claims_.empty(); }
    const std::map<std::string, Claim>& all_outstanding() const { return claims_; }
    bool is_outstanding(const std::string& job_id) const { return claims_.contains(job_id); }
    /// When check() has something to do.
    std::optional<TimePoint> next_wakeup() const;

  private:
    void send(Claim claim, const std::vector<std::string>& earlier_ids);

    const SessionSettings& settings_;
    Wire& wire_;
    std::size_t at_once_ = 1;
    std::map<std::string, Claim> claims_;  ///< by job id
    std::map<std::string, Wish> wishes_;   ///< places that were asked for
    std::optional<Offer> deferred_offer_;  ///< came while a claim was outstanding
    TimePoint deferred_at_{};
    RefusalCache refusals_;
    std::map<std::string, TimePoint> probes_;  ///< since when
};

}  // namespace emprops::hub
