#pragma once
// Answers of ComfyUI, as the shell reads them and a run is told. Plain values.

#include <string>
#include <variant>
#include <vector>

#include "connectors/comfyui/settings.h"
#include "connectors/comfyui/text/web.h"

namespace emprops::comfyui {

/// A proxy in front wants a password, shows a page or leads elsewhere.
struct AccessDenied {
    long status = 0;
    std::string what{};  ///< the sentence for people
};
/// A server error, 413 and other unexpected answers.
struct ServerError {
    long status = 0;
    std::string text;
};
/// It is to be sent once more, not before `wait` is over.
struct PutOff {
    std::string what;
    Ms wait{0};
    bool perhaps_taken = false;
};
struct Accepted {
    std::string prompt_id;
    Json node_errors;
};
/// 400
struct Refused {
    Json body;
};
using PostAnswer = std::variant<Accepted, Refused, PutOff, ServerError, AccessDenied, Unreachable>;

/// To a cancel by the jobs API: the server took care of it (or there was nothing left to do), does not know the
/// call, or gave no answer.
enum class CancelAnswer { done, unknown_call, none };

/// history: pending, running, deleted or unknown
struct NoEntry {};
/// history: finished
struct Entry {
    Json entry;
    int not_finite = 0, too_deep = 0;  ///< values that could not be kept
    std::string unreadable{};          ///< not empty: it has ended, and ComfyUI cannot say how; its answer
};
/// history: ComfyUI answers, but with an error of its own (500): the entry may be one that it cannot write down.
struct Unreadable {
    std::string what;
};
using HistoryAnswer = std::variant<NoEntry, Entry, Unreadable, AccessDenied, Unreachable>;
struct Recent {
    Json entries;  ///< id -> entry
};
using RecentAnswer = std::variant<Recent, AccessDenied, Unreachable>;

struct QueueItem {
    std::string prompt_id;
    double number = 0;
    std::vector<std::string> outputs;  ///< output nodes that will run
    Json mark;                         ///< extra_data.emprops; null for other people's prompts
};
struct Queue {
    std::vector<QueueItem> running;
    std::vector<QueueItem> pending;  ///< in order of execution (ComfyUI itself gives heap order)

    int length() const { return static_cast<int>(running.size() + pending.size()); }
};
using QueueAnswer = std::variant<Queue, AccessDenied, Unreachable>;

/// Null: it is not among them.
const QueueItem* find_prompt(const std::vector<QueueItem>& items, const std::string& prompt_id);
/// Whether it runs or waits.
bool has_prompt(const Queue& queue, const std::string& prompt_id);

/// Reads the body of GET /queue; pending sorted by (number, prompt_id).
Queue read_queue(const Json& body);

}  // namespace emprops::comfyui
