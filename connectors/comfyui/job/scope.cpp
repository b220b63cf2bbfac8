#include "connectors/comfyui/job/scope.h"

#include <algorithm>
#include <filesystem>

#include "connectors/comfyui/text/outputs.h"
#include "connectors/comfyui/text/validation.h"

namespace emprops::comfyui {

bool JobScope::is_asked_for(const std::string& node) const {
    const auto& wanted = payload.outputs.nodes;
    return wanted.empty() || std::any_of(wanted.begin(), wanted.end(),
                                         [&](const auto& each) { return is_of_node(node, each); });
}

std::vector<std::string> JobScope::choices(const std::string& class_type, const std::string& input) const {
    const auto answer = api.node_class(class_type);
    const auto* info = std::get_if<Json>(&answer);
    return info == nullptr ? std::vector<std::string>() : choices_of(*info, class_type, input);
}

void JobScope::clean_up(bool outputs_too) const {
    if (settings().comfyui_folder.empty()) return;
    const std::filesystem::path base = settings().comfyui_folder;
    std::error_code ignored;
    if (!payload.inputs.empty() || !payload.fields.empty())
        std::filesystem::remove_all(base / "input" / own_folder, ignored);
    if (outputs_too && settings().delete_delivered && settings().own_output_folder())
        std::filesystem::remove_all(base / "output" / own_folder, ignored);
}

}  // namespace emprops::comfyui
