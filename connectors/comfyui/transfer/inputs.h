#pragma once
// Brings the input files of a payload to ComfyUI: decodes or downloads each into the job's scratch folder and
// uploads it into a sub-folder of the job's own. Blocking; on the job's thread.

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "connectors/comfyui/server/api.h"
#include "connectors/comfyui/text/payload.h"
#include "connectors/comfyui/text/web.h"

namespace emprops::comfyui {

/// The sub-folder of ComfyUI's input (and of nothing else) that belongs to one job; safe as a path.
/// `space` (PromptNames) keeps workers apart that share a ComfyUI.
std::string input_subfolder(const std::string& space, const std::string& job_id);

/// What an input is brought with.
struct InputWays {
    const InputRules& rules;
    Ms patience;  ///< with ComfyUI; the rules have their own for sources
    Pause pause;
    std::function<bool()> cancelled;
};

/// Downloads the input's `url` to `path` under the rules: size, time, number of redirects, no private addresses
/// (checked at each connect, redirects too), and a file, not a page. Tried again while that may help.
std::optional<Setback> fetch_input(HttpClient& http, const InputFile& input, const std::string& path,
                                   const InputWays& ways);

/// The names that ComfyUI gave the files, in their order.
std::variant<std::vector<std::string>, Failure> provide_inputs(Api& api,
                                                               const std::vector<const InputFile*>& files,
                                                               const InputWays& ways,
                                                               const std::string& subfolder,
                                                               const std::string& work_dir);

}  // namespace emprops::comfyui
