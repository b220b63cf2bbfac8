#include "tests/support/comfyui_input_folder.h"

#include <filesystem>
#include <fstream>

namespace emprops::test {

namespace fs = std::filesystem;
using Json = nlohmann::json;

void ComfyInputFolder::put(const std::string& subfolder, const std::string& name,
                           const std::string& content) const {
    if (path_.empty()) return;
    const fs::path folder = fs::path(path_) / subfolder;
    fs::create_directories(folder);
    std::ofstream(folder / name, std::ios::binary) << content;
}

bool ComfyInputFolder::has(const std::string& name) const {
    std::string plain = name;
    const std::string mark = " [input]";
    if (plain.ends_with(mark)) plain.resize(plain.size() - mark.size());
    std::error_code failed;
    const fs::path folder = fs::canonical(path_, failed);
    if (failed) return false;
    const fs::path file = fs::canonical(folder / plain, failed);
    if (failed || !fs::is_regular_file(file)) return false;
    const fs::path inside = file.lexically_relative(folder);
    return !inside.empty() && *inside.begin() != "..";
}

std::optional<Json> ComfyInputFolder::refusal(const Json& graph) const {
    if (path_.empty() || !graph.is_object()) return {};
    Json problems = Json::object();
    for (const auto& [id, node] : graph.items()) {
        const Json image = node.value(Json::json_pointer("/inputs/image"), Json());
        if (node.value("class_type", "") != "LoadImage" || !image.is_string() || has(image)) continue;
        problems[id] = {{"class_type", "LoadImage"},
                        {"dependent_outputs", Json::array()},
                        {"errors",
                         {{{"type", "custom_validation_failed"},
                           {"message", "Custom validation failed for node"},
                           {"details", "image - Invalid image file: " + image.get<std::string>()},
                           {"extra_info", {{"input_name", "image"}, {"received_value", image}}}}}}};
    }
    if (problems.empty()) return {};
    return Json{{"error",
                 {{"type", "prompt_outputs_failed_validation"},
                  {"message", "Prompt outputs failed validation"},
                  {"details", ""},
                  {"extra_info", Json::object()}}},
                {"node_errors", std::move(problems)}};
}

}  // namespace emprops::test
