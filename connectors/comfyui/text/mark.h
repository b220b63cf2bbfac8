#pragma once
// How our prompts are known again in ComfyUI's queue and history: extra_data.emprops. It also identifies
// prompts on servers before July 2025, which make ids of their own. Pure.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace emprops::comfyui {

using Json = nlohmann::json;

/// One job, as its prompts are marked.
struct OwnMark {
    std::string space;      ///< PromptNames::space()
    std::string connector;  ///< for people
    int instance = 0;       ///< whose WebSocket gets the prompt's events
    std::string job_id;
    std::string payload;  ///< SHA-256: the same job id with another payload is another job
};

Json mark_json(const OwnMark& own, int submission);
/// The submission number if `mark` is of this job, whoever sent it.
std::optional<int> submission_of(const Json& mark, const OwnMark& own);
/// Whether a prompt with this mark is of our worker's connector.
bool is_ours(const Json& mark, const std::string& space);
/// Whose prompt it is, for people; `mark` null: nobody's of ours.
std::string owner_text(const std::string& prompt_id, const Json& mark);

}  // namespace emprops::comfyui
