#pragma once
// One file of the job ledger: encode, decode, checksum. Pure functions.
//
// A file is one JSON object on one line, readable with any JSON tool:
//
//   {"version":1,"checksum":"<sha256, 64 hex digits>","hub_url":"ws://hub","number":4294967297,
//    "job_id":"j1","job_type":"comfyui","priority":0,"claimed_as":["w-1a2b3c4d"],"connector":"comfyui",
//    "attempt":1,"state":"assigned"}
//
// The checksum covers every byte after its own closing quote and comma, the newline at the end included, so
// that a torn file is told from a whole one. `payload` (only for connectors that resume) and `result` come
// last and hold the bytes of the Hub and the connector as they were.
//   state "assigned":  the job was about to be given to a connector, or runs there; perhaps `payload`
//   state "completed": `result`
//   state "failed":    `error` {code, message, retryable, details}
// Unknown members are ignored; another version is not read.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ipc/messages.h"
#include "ipc/result.h"
#include "supervisor/jobs/types.h"

namespace emprops::jobs {

inline constexpr int ledger_version = 1;

struct LedgerRecord {
    std::string hub_url;
    std::uint64_t number = 0;
    std::string job_id;
    std::string job_type;
    std::int64_t priority = 0;
    std::vector<std::string> claimed_as;
    std::string connector;
    int attempt = 1;
    std::optional<ipc::RawJson> payload;
    std::optional<std::variant<Completed, Failed>> outcome;  ///< empty: not ended yet
};

std::string encode_record(const LedgerRecord& record);

/// Errors: "torn" (no whole record: cut off, checksum wrong), "version", "bad_record" (whole, but not ours to
/// read); the message says what is wrong without naming the file.
Result<LedgerRecord> decode_record(std::string_view text);

/// "<32 hex digits>.json", from job id and number: job ids are text of clients and may be "../x".
std::string record_file_name(const std::string& job_id, std::uint64_t number);

}  // namespace emprops::jobs
