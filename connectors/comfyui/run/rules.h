#pragma once
// What holds for one run. Plain values, fixed when the run begins.

#include <optional>

#include "connectors/comfyui/settings.h"
#include "connectors/comfyui/text/mark.h"

namespace emprops::comfyui {

struct RunRules {
    Limits limits;
    Ms poll_interval{3'000};
    int max_resubmissions = 1;
    bool allow_partial = false;
    bool resume = false;             ///< an earlier process of ours had this job
    std::optional<int> resume_from;  ///< the submission that it noted before it sent it
    bool may_be_sent = true;         ///< of resume: that process may have begun to send a prompt
    int deaths_before = 0;           ///< of ComfyUI, while an earlier run of this job was the one that ran
    bool machine_is_sick = false;    ///< another job saw it die too, and none ended well since
    OwnMark mark;                    ///< an empty space: prompts are known by their ids only
};

}  // namespace emprops::comfyui
