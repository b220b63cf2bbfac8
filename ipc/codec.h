#pragma once
// Messages <-> lines of connector protocol version 1. Pure functions. Encoders promise: compact JSON, `type`
// first, `job_id` second, `payload`/`result` last, one line ended by "\n", always valid UTF-8.

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ipc/envelope.h"
#include "ipc/messages.h"
#include "ipc/result.h"

namespace emprops::ipc {

std::string encode(const ToConnector& message);
std::string encode(const FromConnector& message);

/// A line with its newline whose large payload is not copied into it, but shared with the message.
struct SharedLine {
    std::string head;
    std::optional<RawJson> payload = {};
    std::string tail = {};

    /// In their order; empty ones as well.
    std::array<std::string_view, 3> parts() const {
        return {head, payload ? std::string_view(payload->text()) : std::string_view(), tail};
    }
    std::size_t size() const { return head.size() + (payload ? payload->text().size() : 0) + tail.size(); }
};
/// encode(message), as it is sent. Below 64 KiB a copy is cheaper than a piece of its own.
SharedLine encode_shared(const ToConnector& message);

/// A stdout line that is none of our messages, whatever else it may be: a print of the connector or of a library.
/// Harmless.
struct Stray {
    std::string text;  // its beginning
    /// Why it is none, where somebody may have meant it to be one; completes "it is no message: ".
    std::string hint;
    /// What it says, if a known logger wrote it; then the hint is of no use.
    std::optional<LogLine> log;
    /// It is a valid JSON object.
    bool json = false;
};

/// A line that wanted to be a message and is not valid. `job_id` if it could be read, whatever is wrong.
struct Malformed {
    std::string reason;  // names the place of the error
    std::optional<std::string> job_id;
    std::optional<std::string> type;  // likewise
    /// Text stands in front of it; see Behind.
    std::size_t at = 0;

    /// It was to end a job: if it does not name one, then the only one there is.
    bool ends_job() const { return type == "result" || type == "failed"; }
};

/// A whole message that begins at byte `at` of the line, behind the text of a print without a line break.
struct Behind {
    std::size_t at = 0;
    std::string type;
    FromConnector message;
};

/// The types that FromConnector has.
const std::vector<std::string>& types_from_connector();

using Decoded = std::variant<FromConnector, Stray, Malformed, Behind>;

/// What may surround a `result`. Small: a DOM is many times larger than its text ("[{},{},...]").
inline constexpr ScanLimits connector_limits{max_value_depth + 1, std::size_t{256} << 10};

/// Decodes a connector's stdout line (without "\n").
Decoded decode_from_connector(std::string_view line, const ScanLimits& limits = connector_limits);

/// The message that stands behind text, as Behind or Malformed; nothing: the whole line is stray. Looks at a few places
/// of the first 64 KiB only, so that no line costs more than a few passes.
std::optional<Decoded> message_behind(std::string_view line, const ScanLimits& limits = connector_limits);

/// The job_id of a line that is surely a valid `progress` message, found without building anything: a flood
/// of progress is mostly thrown away. Nothing: perhaps it is one all the same, decode it.
std::optional<std::string_view> quick_progress(std::string_view line);

/// Decodes a supervisor's line, for SDKs and tests. A type that is not known yields nullopt.
Result<std::optional<ToConnector>> decode_to_connector(std::string_view line, const ScanLimits& limits = {});

/// The `error` object of `failed` and `init_failed`.
Json to_json(const JobError& error);

}  // namespace emprops::ipc
