#include "supervisor/process/life/stop_ladder.h"

#include <algorithm>

namespace emprops::process {

bool LadderRun::advance(TimePoint now) {
    if (now < deadline_) return false;
    switch (step_) {
        case Step::shutdown:
            step_ = Step::terminate;
            deadline_ = now + policy_.term_grace;
            return true;
        case Step::terminate:
            step_ = Step::kill;
            deadline_ = now + policy_.kill_grace;
            return true;
        case Step::kill:
        case Step::stuck:
            step_ = Step::stuck;
            deadline_ = now + std::max<Ms>(policy_.kill_grace, Ms{1000});
            return true;
    }
    return false;
}

}  // namespace emprops::process
