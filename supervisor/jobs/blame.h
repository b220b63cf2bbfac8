#pragma once
// Who is to blame for the end of a process: a job, or the machine. One docket per thing that can die (a
// connector's instance, its companion service). Pure: no clock, no I/O; owned by the dispatcher.
//
//   one job at it             that job; twice is poison, which JobHistory counts
//   several                   the one that had been begun (`accepted` after `service_request`); if that is
//                             unknown nobody, and they run one at a time next
//   two different jobs with   the machine and no job; after a success, or a trial that went well, the count
//   no success between them   begins anew

#include <compare>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace emprops::jobs {

struct Victim {
    std::string connector;
    int index = 0;
    bool service = false;  ///< the companion service, else the connector itself
    auto operator<=>(const Victim&) const = default;
};

struct Verdict {
    enum class Kind {
        nobody,
        job,      ///< jobs[0]
        unclear,  ///< one of `jobs`
        machine,  ///< `jobs` ended it one after the other; the newest is the last
    };
    Kind kind = Kind::nobody;
    std::vector<std::string> jobs;
    bool operator==(const Verdict&) const = default;
};

class Blame {
  public:
    // What its connector says of a job and the service (`service_request`, and `accepted` after it). Whoever
    // never says such a thing is taken to have all its jobs at the service.
    void sent(const Victim& service, const std::string& job_id);
    void begun(const Victim& service, const std::string& job_id);
    /// The job is given to its instance from the start: what was said of an earlier run is over.
    void given(const Victim& service, const std::string& job_id);
    /// The job's end here. What was said of a failed one is kept for a moment: its end may be told before the
    /// death that caused it.
    void ended(const Victim& victim, const std::string& job_id, bool completed);

    /// A service has ended unasked. `held`: the jobs of its instance then, oldest first; `served`: it had
    /// been healthy.
    Verdict service_died(const Victim& service, const std::vector<std::string>& held, bool served);
    /// The victim has died, and one of these jobs is the reason.
    Verdict judge(const Victim& victim, const std::vector<std::string>& candidates);
    /// A trial after an accusation of the machine went well.
    void trial_went_well(const Victim& victim);

  private:
    /// What is known of one service or connector.
    struct Docket {
        std::set<std::string> sent;
        std::set<std::string> sent_before;  ///< to a service that has died since
        std::set<std::string> begun;
        bool tells_sent = false;
        std::vector<std::string> over;     // failed since the last death; their words still stand above
        std::vector<std::string> killers;  // different jobs, since the last success
        bool accused = false;

        void forget(const std::string& job_id);
    };
    std::map<Victim, Docket> dockets_;
};

}  // namespace emprops::jobs
