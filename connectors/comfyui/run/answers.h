#pragma once
// Answers of ComfyUI, as the shell reads them and a run is told. Plain values.

#include <string>
#include <variant>
#include <vector>

#include "connectors/comfyui/settings.h"

namespace emprops::comfyui {

/// No usable answer. `sent` false: the request cannot have arrived (connection refused). `gone`: nobody
/// is there (no address, no connection, one that ended without a word, or a proxy says so).
struct Unreachable {
    std::string what;
    bool sent = true;
    bool gone = false;
    bool refused = false;  ///< by us: trying again is of no use
};
struct AccessDenied {
    long status = 0;
};
/// 5xx, 413 and other unexpected answers
struct ServerError {
    long status = 0;
    std::string text;
};
struct Accepted {
    std::string prompt_id;
    Json node_errors;
};
/// 400
struct Refused {
    Json body;
};
using PostAnswer = std::variant<Accepted, Refused, ServerError, AccessDenied, Unreachable>;

/// To a cancel by the jobs API: the server took care of it (or there was nothing left to do), does not know the
/// call, or gave no answer.
enum class CancelAnswer { done, unknown_call, none };

/// history: pending, running, deleted or unknown
struct NoEntry {};
/// history: finished
struct Entry {
    Json entry;
    int not_finite = 0, too_deep = 0;  ///< values that could not be kept
};
using HistoryAnswer = std::variant<NoEntry, Entry, AccessDenied, Unreachable>;
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
