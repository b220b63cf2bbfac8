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
};

using Decoded = std::variant<FromConnector, Stray, Malformed>;

/// Decodes a connector's stdout line (without "\n").
Decoded decode_from_connector(std::string_view line, const ScanLimits& limits = {});

/// Decodes a supervisor's line, for SDKs and tests. A type that is not known yields nullopt.
Result<std::optional<ToConnector>> decode_to_connector(std::string_view line, const ScanLimits& limits = {});

/// The `error` object of `failed` and `init_failed`.
Json to_json(const JobError& error);

}  // namespace emprops::ipc
