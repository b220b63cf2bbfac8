#pragma once
// Time as the cores see it: a parameter, never asked for. Shells pass Clock::now().

#include <chrono>
#include <string>

namespace emprops {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Ms = std::chrono::milliseconds;

/// "850 ms", "8 s", "2 min 5 s", "3 h 4 min": for people.
std::string human_duration(Ms duration);

}  // namespace emprops
