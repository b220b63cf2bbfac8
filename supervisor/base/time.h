#pragma once
// Time as the cores see it: a parameter, never asked for. Shells pass Clock::now().

#include <chrono>

namespace emprops {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Ms = std::chrono::milliseconds;

}  // namespace emprops
