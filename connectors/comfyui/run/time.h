#pragma once
// The clock of a job, and how long something has taken by it.

#include <chrono>

#include "connectors/comfyui/settings.h"

namespace emprops::comfyui {

using TimePoint = std::chrono::steady_clock::time_point;

inline Ms since(TimePoint then, TimePoint now) {
    return std::chrono::duration_cast<Ms>(now - then);
}

}  // namespace emprops::comfyui
