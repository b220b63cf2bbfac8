#include "supervisor/process/life/stop_ladder.h"

#include <algorithm>

namespace emprops::process {

namespace {
constexpr Ms hopeless_after{3000};
constexpr Ms report_interval{60'000};
}  // namespace

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
            if (!stuck_since_) stuck_since_ = now;
            deadline_ = now + std::max<Ms>(policy_.kill_grace, Ms{1000});
            return true;
    }
    return false;
}

bool LadderRun::take_report(TimePoint now) {
    if (!stuck_since_ || (reported_ && now - *reported_ < report_interval)) return false;
    reported_ = now;
    return true;
}

bool LadderRun::hopeless(TimePoint now) const {
    return stuck_since_ && now - *stuck_since_ >= hopeless_after;
}

}  // namespace emprops::process
