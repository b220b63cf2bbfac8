#include "connectors/comfyui/run/failures.h"

#include "connectors/comfyui/text/errors.h"
#include "connectors/comfyui/text/web.h"
#include "ipc/text/utf8.h"

namespace emprops::comfyui {

Failure not_taken_failure(const ServerError& error) {
    if (meaning_of(error.status, {}) == Meaning::too_large)
        return too_large_failure("the workflow", error.text, "send pictures as inputs");
    return failure_of(Cause::not_comfyui, "ComfyUI answered POST /prompt with " + error.text +
                                              "; check server_url and path_prefix");
}

Failure denied_failure(const AccessDenied& denied) {
    Failure failure = failure_of(Cause::access, denied.what);
    failure.details["http_status"] = denied.status;
    return failure;
}

Failure unreadable_failure(const std::string& answer) {
    return failure_of(
        Cause::unreadable_history,
        "the prompt has ended, but ComfyUI cannot say how: it answers " + answer +
            " for its entry in the history, and goes on working. A node has most likely put out a "
            "value that JSON cannot hold; ComfyUI's log names it");
}

Failure server_error_failure(const std::string& problem) {
    return failure_of(Cause::server_error, "ComfyUI failed to take the workflow: " + problem);
}

Failure never_taken_failure(const std::string& problem) {
    return failure_of(Cause::unreachable, "ComfyUI did not take the workflow: " + problem);
}

Failure interrupted_failure() {
    return failure_of(
        Cause::interrupted,
        "somebody stopped the prompt in ComfyUI (its stop button, or another program's interrupt)");
}

Failure no_reason_failure(const std::string& status) {
    const std::string word(text::cut(status, 100));
    return failure_of(Cause::node_error,
                      word == "error" ? "ComfyUI reports that the prompt failed and gives no reason"
                      : word == "success"
                          ? "ComfyUI reports that the prompt was not completed, and gives no reason"
                          : "ComfyUI reports neither success nor an error, but \"" + word + "\"");
}

Failure too_many_failure() {
    return failure_of(Cause::too_many, "this job failed in ComfyUI too often to be tried again here");
}

Failure poison_failure(int deaths) {
    return failure_of(Cause::ended_comfyui,
                      "this workflow ended the ComfyUI process " + std::to_string(deaths) +
                          " times: it vanished with it while it was the one that ran. It is not sent again");
}

Failure lost_failure(bool again, bool died, bool sick) {
    return failure_of(Cause::lost,
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
