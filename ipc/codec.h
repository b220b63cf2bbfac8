#pragma once
// Messages <-> lines of connector protocol version 1. Pure functions. Encoders promise: compact JSON, `type`
// first, `job_id` second, `payload`/`result` last, one line ended by "\n", always valid UTF-8.

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "ipc/envelope.h"
#include "ipc/messages.h"
#include "ipc/result.h"

namespace emprops::ipc {

std::string encode(const ToConnector& message);
std::string encode(const FromConnector& message);

/// A stdout line that is no protocol message (does not begin with "{"): a print of the connector. Harmless.
struct Stray {
    std::string text;
};

/// A line that wanted to be a message and is not valid. `job_id` if it could still be read.
struct Malformed {
    std::string reason;  // names the place of the error
    std::optional<std::string> job_id;
    std::optional<std::string> type;  // likewise
};

using Decoded = std::variant<FromConnector, Stray, Malformed>;

/// What may surround a `result`. Small: a DOM is many times larger than its text ("[{},{},...]").
inline constexpr ScanLimits connector_limits{max_value_depth + 1, std::size_t{256} << 10};

/// Decodes a connector's stdout line (without "\n").
Decoded decode_from_connector(std::string_view line, const ScanLimits& limits = connector_limits);

/// The job_id of a line that is surely a valid `progress` message, found without building anything: a flood
/// of progress is mostly thrown away. Nothing: perhaps it is one all the same, decode it.
std::optional<std::string_view> quick_progress(std::string_view line);

/// Decodes a supervisor's line, for SDKs and tests. A type that is not known yields nullopt.
Result<std::optional<ToConnector>> decode_to_connector(std::string_view line, const ScanLimits& limits = {});

/// The `error` object of `failed` and `init_failed`.
Json to_json(const JobError& error);

}  // namespace emprops::ipc
