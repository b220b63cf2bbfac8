#include "connectors/comfyui/run/failures.h"

#include "ipc/text/utf8.h"

namespace emprops::comfyui {

Failure not_taken_failure(const ServerError& error) {
    if (error.status == 413) {
        return failure_of("invalid_payload", "too_large",
                          "the workflow is larger than ComfyUI accepts (" + error.text +
                              "); start ComfyUI with a higher --max-upload-size or send pictures as inputs",
                          false);
    }
    return failure_of("service_error", "not_comfyui",
                      "ComfyUI answered POST /prompt with HTTP " + std::to_string(error.status) +
                          "; check server_url and path_prefix: " + error.text,
                      false);
}

Failure denied_failure() {
    return failure_of("access_denied", "access", "");
}

Failure server_error_failure(const std::string& problem) {
    return failure_of("service_error", "server_error", "ComfyUI failed to take the workflow: " + problem,
                      false);
}

Failure never_taken_failure(const std::string& problem) {
    return failure_of("service_unavailable", "unreachable", "ComfyUI did not take the workflow: " + problem);
}

Failure interrupted_failure() {
    return failure_of(
        "comfyui.interrupted", "interrupted",
        "somebody stopped the prompt in ComfyUI (its stop button, or another program's interrupt)");
}

Failure no_reason_failure(const std::string& status) {
    const std::string word(text::cut(status, 100));
    return failure_of("service_error", "node_error",
                      word == "error" ? "ComfyUI reports that the prompt failed and gives no reason"
                      : word == "success"
                          ? "ComfyUI reports that the prompt was not completed, and gives no reason"
                          : "ComfyUI reports neither success nor an error, but \"" + word + "\"",
                      false);
}

Failure too_many_failure() {
    return failure_of("internal", "too_many", "this job failed in ComfyUI too often to be tried again here",
                      false);
}

Failure poison_failure(int deaths) {
    return failure_of("poison", "ended_comfyui",
                      "this workflow ended the ComfyUI process " + std::to_string(deaths) +
                          " times: it vanished with it while it was the one that ran. It is not sent again",
                      false);
}

Failure lost_failure(bool again, bool died, bool sick) {
    return failure_of("lost", "lost",
                      "the prompt vanished from ComfyUI without a result" +
                          std::string(again ? ", again after it was sent once more" : "") +
                          (died ? "; ComfyUI ended while it ran"
                                : "; ComfyUI was restarted, or somebody cleared its queue or history") +
                          (died && sick ? ", as it did with another job before" : ""));
}

std::string blocked_branch_note(const NodeError& error) {
    return "node \"" + error.node + "\" blocked its branch: " + std::string(text::cut(error.message, 300));
}

std::string lost_answer_note(const std::vector<std::string>& ends, bool known) {
    std::string text = "ComfyUI's answer to the workflow was lost: it may have refused some outputs";
    for (const std::string& end : ends) {
        if (known) text += (end == ends.front() ? "; not run: node " : ", ") + end;
    }
    return text;
}

}  // namespace emprops::comfyui
