#pragma once
// What the parts of Run (run*.cpp) share. Included by them only.

#include <algorithm>

#include "connectors/comfyui/run/run.h"
#include "ipc/overload.h"

namespace emprops::comfyui {

constexpr int highest_submission = 16;
constexpr Ms retry_pause{1'000};
constexpr Ms first_deaf_after{60'000};
constexpr std::size_t max_event_outputs = std::size_t{32} << 20;  // the history has them too

inline Ms since(TimePoint then, TimePoint now) {
    return std::chrono::duration_cast<Ms>(now - then);
}

inline std::string seconds_text(Ms time) {
    return std::to_string(time.count() / 1000) + " s";
}

}  // namespace emprops::comfyui
