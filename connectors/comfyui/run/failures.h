#pragma once
// How a run says what went wrong, beside its time limits (patience.h). Pure.

#include <string>
#include <vector>

#include "connectors/comfyui/run/answers.h"
#include "connectors/comfyui/text/events.h"
#include "connectors/comfyui/text/failure.h"

namespace emprops::comfyui {

/// POST /prompt was answered with something that trying again does not change.
Failure not_taken_failure(const ServerError& error);
/// A proxy refused us.
Failure denied_failure(const AccessDenied& denied);
/// ComfyUI has the end of the prompt and cannot write it down.
Failure unreadable_failure(const std::string& answer);
/// ComfyUI answered each POST with a server error.
Failure server_error_failure(const std::string& problem);
/// It never showed whether it took the workflow.
Failure never_taken_failure(const std::string& problem);
Failure interrupted_failure();
/// `status`: what the history says; it gives no reason.
Failure no_reason_failure(const std::string& status);
Failure too_many_failure();
/// A job of which ComfyUI ended so often is not sent any more.
constexpr int most_deaths = 2;
Failure poison_failure(int deaths);
/// The prompt vanished. `again`: also when it was sent once more; `died`: ComfyUI ended while it ran; `sick`: as it
/// did with another job before.
Failure lost_failure(bool again, bool died, bool sick);

/// A node ended its branch on purpose (connectors/comfyui/API.md 6.5): no failure, but a note for people.
std::string blocked_branch_note(const NodeError& error);
/// The answer to the POST names the outputs that ComfyUI refused. Without it, what it ran must tell: `ends`
/// are the ends of the graph's branches that it did not run; `known`: it is known what it ran.
std::string lost_answer_note(const std::vector<std::string>& ends, bool known);

}  // namespace emprops::comfyui
