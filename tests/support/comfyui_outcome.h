#pragma once
// What tests of the ComfyUI connector ask of a job's outcome (ComfyConnector::outcome()), and ComfyUI's words for a
// value that it does not have.

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/comfyui_recording.h"

namespace emprops::test {

/// The graph that most jobs of the tests have: a picture is made and saved.
inline nlohmann::json graph() {
    return nlohmann::json::parse(load_workflow("empty_save"));
}

/// "result", or the error's code.
inline std::string code(const nlohmann::json& outcome) {
    return outcome.contains("error") ? outcome["error"].value("code", "")
                                     : outcome["type"].get<std::string>();
}
inline std::string message(const nlohmann::json& outcome) {
    return outcome.contains("error") ? outcome["error"].value("message", "") : outcome.dump();
}
inline std::string error_class(const nlohmann::json& outcome) {
    return outcome.contains("error") ? outcome["error"]["details"].value("class", "") : "";
}
inline std::string notes(const nlohmann::json& outcome) {
    return outcome.contains("result")
               ? outcome["result"]["output"].value("notes", nlohmann::json::array()).dump()
               : outcome.dump();
}

/// The answer to a graph of which node 4 wants a value that is not in `list`.
inline nlohmann::json value_refusal(const std::string& wanted, const nlohmann::json& list,
                                    const std::string& input = "ckpt_name",
                                    const char* class_type = "CheckpointLoaderSimple") {
    using Json = nlohmann::json;
    return {{"error", {{"type", "prompt_outputs_failed_validation"}, {"message", "failed"}, {"details", ""}}},
            {"node_errors",
             {{"4",
               {{"errors",
                 {{{"type", "value_not_in_list"},
                   {"message", "Value not in list"},
                   {"details", ""},
                   {"extra_info",
                    {{"input_name", input},
                     {"input_config", {list, Json::object()}},
                     {"received_value", wanted}}}}}},
                {"class_type", class_type}}}}}};
}

}  // namespace emprops::test
