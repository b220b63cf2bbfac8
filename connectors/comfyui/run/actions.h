#pragma once
// What a run wants of its shell next. Plain values.

#include <string>
#include <variant>

#include "connectors/comfyui/run/time.h"

namespace emprops::comfyui {

/// Answer: on_post().
struct SendPrompt {
    std::string prompt_id;
    int submission = 0;
};
/// Answer: on_history().
struct AskHistory {
    std::string prompt_id;
};
/// Answer: on_queue().
struct AskQueue {};
/// The newest of the history, for ids that the server made. Answer: on_recent().
struct AskRecent {};
/// Takes a prompt back wherever it is, in one step, where the server can do that (connectors/comfyui/API.md 12.2).
/// Answer: on_cancelled().
struct CancelJob {
    std::string prompt_id;
};
/// Answer: on_done().
struct DeletePending {
    std::string prompt_id;
};
/// Answer: on_done().
struct Interrupt {
    std::string prompt_id;
};
/// Answer: on_done().
struct FreeMemory {};
/// The socket is up but deaf. No answer.
struct Reconnect {};
/// ComfyUI's process must be restarted. No answer.
struct RestartService {
    std::string reason;
    bool fault = false;   ///< it runs prompts, and each will fail; else: its worker thread seems to be dead
    std::string running;  ///< of a dead worker thread: the prompt that it is at; empty: none
};
/// Somebody else's prompt has been the running one for so long that no more jobs should come. No answer.
struct Blocked {
    std::string prompt_id;
    Json mark;
    TimePoint since;
};
/// For an event, at most so long.
struct Wait {
    TimePoint until;
};
/// See Run::outcome().
struct Finish {};

using Action = std::variant<SendPrompt, AskHistory, AskQueue, AskRecent, CancelJob, DeletePending, Interrupt,
                            FreeMemory, Reconnect, RestartService, Blocked, Wait, Finish>;

}  // namespace emprops::comfyui
