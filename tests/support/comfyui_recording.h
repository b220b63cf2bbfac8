#pragma once
// Reads the recorded conversations with a real ComfyUI (tests/fixtures/comfyui): what happened to each
// prompt.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace emprops::test {

struct RecordedMessage {
    double t = 0;  ///< seconds after the POST was sent; negative: it came before
    std::string
        text;  ///< the text frame, byte for byte what JSON dump gives, or the frame that was no strict JSON
};

/// One POST /prompt and all that followed from it.
struct RecordedPrompt {
    std::string id;                         ///< what the server called it; empty when refused
    nlohmann::json request;                 ///< the body; null when it was no JSON
    long status = 0;                        ///< 0: no answer
    std::string answer;                     ///< body
    double answered = 0;                    ///< seconds after the POST was sent
    std::vector<RecordedMessage> messages;  ///< with this prompt's id, from all sockets, each once
    std::optional<double> ended;            ///< executing-null, or the last end event
    std::optional<double> vanished;         ///< deleted from the queue, or the server went away
    nlohmann::json history;  ///< the entry as it was read later; put together from the messages when it was
                             ///< not read; null when the prompt did not end
};

std::vector<RecordedPrompt> load_recording(const std::string& name);
/// Names of all recordings, without ".jsonl".
std::vector<std::string> recording_names();
/// A workflow of tests/fixtures/comfyui/workflows, as text.
std::string load_workflow(const std::string& name);

}  // namespace emprops::test
