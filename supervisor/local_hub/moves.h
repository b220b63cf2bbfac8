#pragma once
// Jobs that wait for their slot at one worker while another one is idle: each idle worker without an offer has one of
// them asked back for it. The worker that has the job decides, since it may just be beginning it: it gives it back not
// begun, or says that it has begun it. Pure; owned by Core.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/local_hub/jobs.h"
#include "supervisor/local_hub/offers.h"
#include "supervisor/local_hub/policy.h"
#include "supervisor/local_hub/workers.h"

namespace emprops::local_hub {

class Moves {
  public:
    explicit Moves(const Policy& policy) : policy_(policy) {}

    /// The jobs to be asked back now, after the offers were made; each is asked for again after a while.
    std::vector<std::string> wanted(const Workers& workers, const Offers& offers, const Jobs& jobs,
                                    TimePoint now, const Offers::Fits& fits);

  private:
    struct Move {
        ConnectionId to;
        TimePoint until;
    };
    const Policy& policy_;
    std::map<std::string, Move> moves_;  // by job id
};

}  // namespace emprops::local_hub
