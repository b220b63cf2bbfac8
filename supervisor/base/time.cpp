#include "supervisor/base/time.h"

#include "supervisor/base/running_time.h"

namespace emprops {

RunningTime& Clock::running() {
    thread_local RunningTime time;
    return time;
}

TimePoint Clock::now() {
    return running().at(std::chrono::steady_clock::now());
}

}  // namespace emprops
