#pragma once
// The messages of connector protocol version 1 (ipc/PROTOCOL.md) as typed values. No I/O, no threads.
// `payload` and `result` are RawJson: JSON text that is carried byte for byte and never decoded here.

#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace emprops::ipc {

using Json = nlohmann::json;
using Ms = std::chrono::milliseconds;

inline constexpr int protocol_version = 1;

/// JSON text of one value, valid and on one line, never re-encoded (re-encoding turns 1.10 into 1.1 and
/// 64-bit seeds into floats). Copies share the text, which nobody changes: payloads reach 100 MB, and a job is held by
/// the assignment, the ledger and the line to its connector at once.
class RawJson {
  public:
    RawJson() = default;  ///< "{}"
    RawJson(std::string text) : text_(std::make_shared<const std::string>(std::move(text))) {}
    RawJson(const char* text) : RawJson(std::string(text)) {}

    const std::string& text() const {
        static const std::string empty_object = "{}";
        return text_ ? *text_ : empty_object;
    }
    bool operator==(const RawJson& other) const { return text() == other.text(); }

  private:
    std::shared_ptr<const std::string> text_;
};

/// Codes of protocol version 1; a connector's own codes are "<connector>.<code>".
namespace code {
inline constexpr const char* invalid_payload = "invalid_payload";
inline constexpr const char* unsupported = "unsupported";
inline constexpr const char* not_started = "not_started";
inline constexpr const char* service_unavailable = "service_unavailable";
inline constexpr const char* access_denied = "access_denied";
inline constexpr const char* service_error = "service_error";
inline constexpr const char* timeout = "timeout";
inline constexpr const char* out_of_memory = "out_of_memory";
inline constexpr const char* cancelled = "cancelled";
inline constexpr const char* lost = "lost";
inline constexpr const char* crashed = "crashed";
inline constexpr const char* hung = "hung";
inline constexpr const char* poison = "poison";
inline constexpr const char* drained = "drained";
inline constexpr const char* result_too_large = "result_too_large";
inline constexpr const char* protocol_error = "protocol_error";
inline constexpr const char* internal = "internal";
}  // namespace code

/// Why a job did not work. `retryable`: another attempt may succeed (the EmProps Hub ignores it, the local
/// hub honours it).
struct JobError {
    std::string code = code::internal;
    std::string message;
    bool retryable = true;
    Json details;  // object or null
};

// ---- supervisor -> connector ---------------------------------------------------------------------------

/// Jobs at a time that a connector may be configured for or declare.
inline constexpr int max_concurrency = 1000;

/// What the worker does with files that a result names (`hello.files`).
struct FilesOffer {
    std::vector<std::string> stores;     // that a file may be delivered to, by name
    int max_files = 1000;                // of one result
    int released = 2;                    // jobs of one process that may be released at a time
    std::uint64_t max_bytes = 0;         // of all files of one result together; 0: not limited
    std::vector<std::string> deliver{};  // where they go unless a file says it itself, in this order
    std::vector<std::string> jobs{};     // stores that a job may name
    bool operator==(const FilesOffer&) const = default;
};

struct Hello {
    std::vector<int> protocol_versions{protocol_version};
    std::string worker_id;
    std::string connector;  // configured name
    int instance = 0;       // 0-based
    Json settings = Json::object();
    std::uint64_t max_line_bytes = 24ull << 20;
    std::string work_dir;  // absolute; scratch folder of this instance
    std::string hub;       // address of the Hub without token and query; job ids mean something there only
    Ms heartbeat_interval{10'000};
    int heartbeat_missed = 3;
    std::optional<Ms> prepare_timeout;  // `preparing` is understood; 0: no limit
    std::optional<int> concurrency;     // what is configured for it; it declares no other
    std::optional<FilesOffer> files;    // nothing: results with files are not taken
};

struct Job {
    std::string job_id;
    std::string job_type;
    std::int64_t priority = 0;
    int attempt = 1;       // 1-based, on this worker
    bool resume = false;   // an earlier process of this connector held this job
    bool prepare = false;  // not to be begun before `begin`
    std::optional<Ms> timeout;
    std::string traceparent;  // as in W3C Trace Context; empty: none
    std::string work_dir;     // scratch folder of this job, removed at its end
    RawJson payload;
};

struct Begin {
    std::string job_id;
};
struct Cancel {
    std::string job_id;
    std::string reason;
};
struct Ping {
    std::uint64_t id = 0;
};
struct Drain {};
struct Shutdown {
    Ms grace{10'000};
};

using ToConnector = std::variant<Hello, Job, Begin, Cancel, Ping, Drain, Shutdown>;

// ---- connector -> supervisor ---------------------------------------------------------------------------

struct Features {
    bool cancel = false;
    bool ping = false;
    bool status = false;
    bool resume = false;
    bool prepare = false;
    bool files = false;
    bool operator==(const Features&) const = default;
};

/// The names of Features.
inline constexpr const char* feature_names[] = {"cancel", "ping", "status", "resume", "prepare", "files"};

struct Ready {
    int protocol = protocol_version;
    std::vector<std::string> job_types;  // empty: the configuration names them
    std::string name;
    std::string version;
    Json capabilities = Json::object();
    int concurrency = 1;
    Features features;
    std::vector<std::string> unknown_features;  // names that this version does not know, as they came
};

struct InitFailed {
    JobError error;
};
/// Before `ready`: it works on it.
struct Preparing {
    std::optional<int> progress;  // as in Progress
    std::string message;
};

struct Accepted {
    std::string job_id;
};

struct Progress {
    std::string job_id;
    std::optional<int> progress;  // 0..100, clamped and rounded by the decoder; absent: alive, amount unknown
    std::string status = "processing";
    std::string message;
    Json details;  // object or null
};

/// The scarce thing is free: another job may come, and the end of this one follows.
struct Released {
    std::string job_id;
};

/// A file of a result, which the worker delivers. At least one of path and url is there.
struct ResultFile {
    /// Relative to the job's work_dir, or absolute; without a part "..". Whether it lies in the work_dir is not checked.
    std::string path;
    std::string url;        // where the service serves it
    std::string name;       // never empty, no "/": the decoder takes the last part of path or url
    std::string mime_type;  // empty: not told
    std::string kind;       // empty: not told
    std::string node;       // empty: none
    /// Stores in the order in which they are tried, at least one.
    std::optional<std::vector<std::string>> deliver;
    bool strip_metadata = false;  // it goes without what tells how it was made, or not at all
    Json more = Json::object();   // its other members, which the delivered entry gets
    bool operator==(const ResultFile&) const = default;
};

struct JobResult {
    std::string job_id;
    RawJson result;                      // an object; {"$file": n} in it stands for the entry of the nth file
    std::vector<ResultFile> files = {};  // empty: the result is complete as it is
};

struct Failed {
    std::string job_id;
    JobError error;
};

struct Status {
    bool connected = false;
    bool available = false;  // the decoder applies the default: = connected
    std::string reason;
    std::string service;
    Json details;  // object or null
};

struct RestartService {
    std::string reason;
};

struct ServiceRequest {
    std::string job_id;
    std::string service;
    std::string request_type;
    Json content = Json::object();
};

struct LogLine {
    std::string level = "info";  // trace, debug, info, warn, error
    std::string message;
    Json fields;  // object or null
};

struct Capabilities {
    std::optional<Json> capabilities;
    std::optional<std::vector<std::string>> job_types;
    std::optional<int> concurrency;
};

/// Present values of the connector's figures, by name, as they came; ipc/figures.h has the rules.
struct Metrics {
    Json counters = Json::object();
    Json gauges = Json::object();
};

struct Pong {
    std::uint64_t id = 0;
};

/// A well-formed message of a type that this version does not know: ignored, that is how the protocol grows.
struct Unknown {
    std::string type;
};

using FromConnector =
    std::variant<Ready, InitFailed, Preparing, Accepted, Progress, Released, JobResult, Failed, Status,
                 RestartService, ServiceRequest, LogLine, Capabilities, Metrics, Pong, Unknown>;

/// The job that the message names; null for types that name none.
const std::string* job_id_of(const FromConnector& message);

}  // namespace emprops::ipc
