#pragma once
// The values that the parts of the local hub exchange: jobs, connections, time, actions. Plain values.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "supervisor/base/time.h"

namespace emprops::local_hub {

using Json = nlohmann::json;

/// Given by the server to each accepted WebSocket; never used twice.
using ConnectionId = std::uint64_t;

enum class Role { worker, client, monitor };

/// The two times a rule needs: one that never jumps for limits, one for people and for the database.
struct Now {
    TimePoint steady;
    double epoch_seconds = 0;
};

/// The Hub's words for the state of a job (ipc/hub/PROTOCOL.md 4.8).
enum class JobStatus { pending, claimed, completed, failed, cancelled };

constexpr std::string_view name_of(JobStatus status) {
    switch (status) {
        case JobStatus::pending:
            return "pending";
        case JobStatus::claimed:
            return "claimed";
        case JobStatus::completed:
            return "completed";
        case JobStatus::failed:
            return "failed";
        case JobStatus::cancelled:
            return "cancelled";
    }
    return "";
}

constexpr bool is_final(JobStatus status) {
    return status != JobStatus::pending && status != JobStatus::claimed;
}

/// Everything about a job but its payload and its result, which are large and stay in the database.
struct Job {
    std::string id;
    std::string type;
    std::int64_t priority = 0;
    std::uint64_t sequence = 0;  ///< order of submission
    JobStatus status = JobStatus::pending;
    std::string client_id;
    std::string worker_id;    ///< the last claimant; empty: never claimed
    std::string last_failer;  ///< the worker whose attempt failed last; empty: none
    std::uint32_t attempts = 0;
    double created_at = 0;
    double claimed_at = 0;    ///< 0: not claimed
    double completed_at = 0;  ///< when it reached its final state; 0: not yet
    std::optional<int> progress;
    std::optional<std::string> message;
    std::optional<std::string> error;
    bool operator==(const Job&) const = default;
};

/// Send these texts, in this order, as one frame each (several: the chunks of one message).
struct SendTo {
    ConnectionId connection = 0;
    std::vector<std::string> frames;
    bool operator==(const SendTo&) const = default;
};

/// Close after what was sent before has been written.
struct Close {
    ConnectionId connection = 0;
    std::uint16_t code = 1000;
    std::string reason;
    bool operator==(const Close&) const = default;
};

/// A job reached a final state; for those who wait outside of a WebSocket (REST).
struct Finished {
    std::string job_id;
    bool operator==(const Finished&) const = default;
};

/// Something a person should read in the log.
struct Warn {
    std::string text;
    bool operator==(const Warn&) const = default;
};

using Action = std::variant<SendTo, Close, Finished, Warn>;
using Actions = std::vector<Action>;

/// One event being handled: its time, and what is to be done after it.
struct Turn {
    const Now& now;
    Actions& out;

    void send(ConnectionId connection, std::string text);
    /// The Hub's `error`.
    void refuse(ConnectionId connection, std::string_view error, const Json& details = nullptr);
    void warn(std::string text);
};

}  // namespace emprops::local_hub
