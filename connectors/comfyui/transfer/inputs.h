#pragma once
// Brings the input files of a payload to ComfyUI: decodes or downloads each into the job's scratch folder and
// uploads it into a sub-folder of the job's own. Blocking; on the job's thread.

#include <functional>
#include <string>
#include <vector>

#include "connectors/comfyui/server/api.h"
#include "connectors/comfyui/text/payload.h"

namespace emprops::comfyui {

/// The sub-folder of ComfyUI's input (and of nothing else) that belongs to one job; safe as a path.
/// `space` (PromptNames) keeps workers apart that share a ComfyUI.
std::string input_subfolder(const std::string& space, const std::string& job_id);

/// Downloads `url` to `path` under the rules: size, time, number of redirects, no private addresses (checked
/// at each connect, redirects too). Errors name the input: "invalid_payload", or "service_unavailable" where
/// the source may answer another time.
Result<Ok> fetch_url(HttpClient& http, const std::string& url, const std::string& path,
                     const std::string& what, const InputRules& rules,
                     const std::function<bool()>& cancelled);

/// Where a redirect leads (RFC 3986, also relative ones); empty when that cannot be said.
std::string redirect_target(const std::string& from, const std::string& location);

/// How long and how what may pass is tried again.
struct Retry {
    Ms limit{60'000};
    Pause pause;
};

/// The names that ComfyUI gave the files, in their order.
Result<std::vector<std::string>> provide_inputs(Api& api, const std::vector<const InputFile*>& files,
                                                const InputRules& rules, const std::string& subfolder,
                                                const std::string& work_dir,
                                                const std::function<bool()>& cancelled, const Retry& retry);

}  // namespace emprops::comfyui
