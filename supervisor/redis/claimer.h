#pragma once
// Which job is claimed next. Looks at the queue in its order, judges each waiting job once (rules/matching.h), and takes
// exactly the one that fits, by a script; what nobody can take is told of and stays where it is. Pure; time is a
// parameter. Owned by the session.
//
//   resting --room, a wake-up, the poll--> counting --> listing --> reading --> (placing) --> taking --> looks again
//      ^---------------- nothing that fits ------------------------------------------------'

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "supervisor/base/time.h"
#include "supervisor/jobs/types.h"
#include "supervisor/redis/held_jobs.h"
#include "supervisor/redis/server.h"
#include "supervisor/redis/slots.h"

namespace emprops::redis {

struct ClaimPolicy {
    Ms poll_least{2'000}, poll_most{5'000};           ///< retries and requeues are announced by nobody
    Ms jitter{20};                                    ///< after a wake-up: not all workers at once
    std::size_t window = 500;                         ///< ids that one look reads
    Ms returned_first{2'000}, returned_most{60'000};  ///< a job that went back as it came is left to others
};

class Claimer {
  public:
    /// It is taken: what is known of it, with its payload, and the claim.
    using Taken = std::function<void(JobRecord record, Claim claim)>;
    /// The claim may have been made, although Redis says an error: this worker's list is to be looked into.
    std::function<void(const std::string& worker)> on_doubt;

    Claimer(Server& server, Slots& slots, const HeldJobs& held, const ClaimPolicy& policy, std::string mark,
            Taken taken)
        : server_(server),
          slots_(slots),
          held_(held),
          policy_(policy),
          mark_(std::move(mark)),
          taken_(std::move(taken)) {}

    /// What this worker registers with: jobs are judged by it. Another one: all are judged anew.
    void set_capabilities(ipc::Json capabilities);
    void connected(TimePoint now);
    void disconnected();
    /// The session calls this after everything that may have changed it.
    void room(TimePoint now, const jobs::Room& room);
    /// A job was submitted.
    void announced(TimePoint now, const std::string& job_id, const std::string& service);
    void place(TimePoint now, const std::string& job_id, jobs::Place place);
    void stop() { stopped_ = true; }
    /// It went back as it came: others are to have it first, for a growing while.
    void pass_over(TimePoint now, const std::string& job_id);

    std::optional<TimePoint> next_wakeup() const;
    void on_time(TimePoint now);

    bool is_taking() const { return step_ == Step::taking; }
    std::uint64_t claims = 0, refused = 0;

  private:
    enum class Step { resting, looking, placing, taking };
    struct Known {
        Verdict verdict = Verdict::passes;
        std::string job_type;
        std::uint64_t seen = 0;  ///< the look that saw it waiting last
    };

    bool may_claim() const;
    bool has_room(const std::string& job_type) const;
    void look(TimePoint now);
    void counted(const Reply& reply);
    void listed(const Reply& reply);
    void read(const std::vector<std::string>& ids, std::function<void()> then);
    void judge_one(const std::string& id, const Reply& reply);
    void choose(const std::vector<std::string>& ids);
    void want(const std::string& id, const std::string& job_type);
    void take(const std::string& id);
    void answered(const std::string& id, const std::string& worker, const Reply& reply);
    void rest(TimePoint now);
    void look_soon(TimePoint when);

    Server& server_;
    Slots& slots_;
    const HeldJobs& held_;
    const ClaimPolicy& policy_;
    const std::string mark_;
    const Taken taken_;
    ipc::Json capabilities_ = ipc::Json::object();
    jobs::Room room_;
    Step step_ = Step::resting;
    bool connected_ = false, stopped_ = false;
    std::uint64_t epoch_ = 0;  ///< of the connection: answers of an earlier one are nobody's
    std::optional<TimePoint> look_at_;
    std::map<std::string, Known> known_;
    std::set<std::string> no_place_;  ///< of this room
    struct Returned {
        TimePoint until;
        Ms pause{0};
    };
    std::map<std::string, Returned> returned_;
    std::string wanted_;  ///< while placing and taking
    std::size_t from_ = 0;
    std::uint64_t looks_ = 0;
    TimePoint now_;
};

}  // namespace emprops::redis
