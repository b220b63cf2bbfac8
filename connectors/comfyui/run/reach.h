#pragma once
// Whether ComfyUI answers a run, and what was the matter last. Plain value.

#include <optional>
#include <string>

#include "connectors/comfyui/run/answers.h"
#include "connectors/comfyui/run/time.h"

namespace emprops::comfyui {

struct Reach {
    std::optional<TimePoint> lost_at;    ///< no answer since
    std::string problem;                 ///< the last one, for people
    std::optional<AccessDenied> denied;  ///< by a proxy

    void answered() {
        lost_at.reset();
        denied.reset();
    }
    void lost(TimePoint now) {
        if (!lost_at) lost_at = now;
    }
};

/// No answer in an answer of ComfyUI; nullopt: it answered.
using NoAnswer = std::variant<AccessDenied, Unreachable>;
template <class Answer>
std::optional<NoAnswer> no_answer_in(const Answer& answer) {
    if (const auto* denied = std::get_if<AccessDenied>(&answer)) return *denied;
    if (const auto* unreachable = std::get_if<Unreachable>(&answer)) return *unreachable;
    return {};
}

}  // namespace emprops::comfyui
