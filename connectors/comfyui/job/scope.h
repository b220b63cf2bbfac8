#pragma once
// What the parts of one job have in common. Lives as long as the job, on its thread; a plain value
// with references to what outlives it.

#include <functional>
#include <string>
#include <vector>

#include "connectors/comfyui/job/job.h"
#include "connectors/comfyui/server/api.h"
#include "connectors/comfyui/text/payload.h"
#include "connectors/comfyui/text/web.h"
#include "connectors/comfyui/transfer/wanted.h"

namespace emprops::comfyui {

struct JobScope {
    const Shared& shared;
    const Job& job;
    JobContext& context;
    Payload payload;
    Wanted wanted;  ///< of its files
    Api& api;
    /// The job was cancelled, and nothing is to be brought to its end any more.
    std::function<bool()> cancelled;
    Pause pause;
    std::string own_folder;  ///< of this job, in ComfyUI's input and output

    const Settings& settings() const { return shared.settings; }
    bool allow_partial() const { return payload.allow_partial.value_or(settings().allow_partial); }
    /// Whether the result is to have what this node puts out.
    bool is_asked_for(const std::string& node) const;
    /// The values that ComfyUI allows for an input; empty: it does not say.
    std::vector<std::string> choices(const std::string& class_type, const std::string& input) const;
    /// Called when the prompt is gone from ComfyUI: removes the job's folders where they can be reached.
    void clean_up(bool outputs_too) const;
};

}  // namespace emprops::comfyui
