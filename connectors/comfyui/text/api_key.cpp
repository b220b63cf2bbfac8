#include "connectors/comfyui/text/api_key.h"

#include <limits>

#include "ipc/envelope.h"
#include "ipc/json_text.h"
#include "ipc/text/values.h"

namespace emprops::comfyui {

std::string with_api_key(std::string_view extra_data, const std::string& key) {
    if (key.empty()) return std::string(extra_data);
    ipc::ScanLimits limits;
    limits.max_fields_bytes = std::numeric_limits<std::size_t>::max();
    const auto scan = ipc::scan_envelope(extra_data, {"api_key_comfy_org", "auth_token_comfy_org"}, limits);
    if (!scan.envelope) return std::string(extra_data);
    for (const auto& [name, value] : scan.envelope->opaque)
        if (value != "null" && value != "\"\"") return std::string(extra_data);
    const bool empty = scan.envelope->fields.empty() && scan.envelope->opaque.empty();
    // In Python the last of two equal keys wins: also over a null.
    return std::string(extra_data.substr(0, extra_data.rfind('}'))) + (empty ? "" : ",") +
           "\"api_key_comfy_org\":" + ipc::dump(nlohmann::json(key)) + "}";
}

std::string api_key_hint(std::string_view error) {
    const std::string text = text::lower(error);
    if (text.find("please login first") == std::string::npos &&
        text.find("api_key_comfy_org") == std::string::npos)
        return "";
    return ". This node is paid for at comfy.org: set api_key_comfy_org in the connector's settings "
           "(COMFYUI_API_KEY_COMFY_ORG), or extra_data.api_key_comfy_org in the job";
}

}  // namespace emprops::comfyui
