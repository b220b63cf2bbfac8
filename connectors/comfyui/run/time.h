#pragma once
// The clock of a job, and how long something has taken by it.

#include <chrono>

#include "connectors/comfyui/settings.h"
#include "ipc/time/clock.h"

namespace emprops::comfyui {

inline Ms since(TimePoint then, TimePoint now) {
    return std::chrono::duration_cast<Ms>(now - then);
}

}  // namespace emprops::comfyui
