#pragma once
// What the tests of a run's parts share: times, names, entries of a history, and actions as words.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/comfyui/run/actions.h"
#include "connectors/comfyui/run/answers.h"
#include "connectors/comfyui/run/graph.h"
#include "connectors/comfyui/text/mark.h"

namespace emprops::comfyui::parts {

inline const TimePoint start{};

inline TimePoint at(int ms) {
    return start + Ms{ms};
}

inline std::string name(int number) {
    return "p" + std::to_string(number);
}

inline OwnMark own() {
    return {"s", "comfyui", 0, "j", "h"};
}

/// What a machine wants, as a word.
inline std::string word(const Action& action) {
    if (const auto* ask = std::get_if<AskHistory>(&action)) return "history " + ask->prompt_id;
    if (const auto* send = std::get_if<SendPrompt>(&action)) return "post " + send->prompt_id;
    if (const auto* cancel = std::get_if<CancelJob>(&action)) return "cancel " + cancel->prompt_id;
    if (const auto* remove = std::get_if<DeletePending>(&action)) return "delete " + remove->prompt_id;
    if (const auto* stop = std::get_if<Interrupt>(&action)) return "interrupt " + stop->prompt_id;
    if (std::holds_alternative<AskQueue>(action)) return "queue";
    if (std::holds_alternative<AskRecent>(action)) return "recent";
    if (std::holds_alternative<Wait>(action)) return "wait";
    return "?";
}

inline Entry entry(const Json& outputs, const std::string& status = "success",
                   const Json& messages = Json::array()) {
    return {{{"outputs", outputs}, {"status", {{"status_str", status}, {"messages", messages}}}}, 0, 0};
}

inline Entry error_entry(const std::string& exception) {
    return entry(
        Json::object(), "error",
        Json::array({Json::array(
            {"execution_error", {{"prompt_id", "p0"}, {"node_id", "1"}, {"exception_type", exception}}})}));
}

inline Queue running(const std::string& id, const Json& mark = {}) {
    return {{{id, 0, {}, mark}}, {}};
}

inline const Graph& graph() {
    static const Graph value({{"1", "CheckpointLoader", "", {}}, {"2", "SaveImage", "", {"1"}}});
    return value;
}

}  // namespace emprops::comfyui::parts
