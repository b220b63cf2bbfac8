#pragma once
// Reads the small part of a JSON message and leaves the big part alone: checks the syntax, UTF-8, depth and
// size of a whole JSON object without building a DOM of it, and returns chosen top-level values as byte
// ranges. Used for connector lines (payload, result) and for Hub frames (params, job_request_payload). Pure;
// no recursion that a hostile depth could overflow.

#include <cstddef>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace emprops::ipc {

/// How deep a payload or a result may nest, in every program and in both directions. JSON without a limit overflows the
/// stack when it is copied or dumped.
inline constexpr int max_value_depth = 256;

struct ScanLimits {
    /// Nesting of the whole text, itself the first level: a message, with a payload or a result in it.
    int max_depth = max_value_depth + 1;
    /// The most bytes that may become a DOM in `fields` (everything but the opaque values).
    std::size_t max_fields_bytes = std::size_t{4} << 20;
};

struct ScanError {
    std::size_t offset = 0;             // byte at which the text stops being acceptable
    std::string reason;                 // a sentence without the offset
    std::optional<std::string> job_id;  // top-level "job_id" if it was read before the error
    std::optional<std::string> type;    // top-level "type", likewise
};

struct Envelope {
    /// All top-level members except the opaque ones. Duplicate keys: the last one wins.
    nlohmann::json fields = nlohmann::json::object();
    /// The opaque members found, as views into the scanned text (whitespace around the value cut).
    std::vector<std::pair<std::string, std::string_view>> opaque;

    std::optional<std::string_view> find(std::string_view key) const;
};

struct ScanOutcome {
    std::optional<Envelope> envelope;  // set on success
    ScanError error;                   // meaningful otherwise
};

/// Scans one JSON object. `opaque_keys` name the top-level members to return as byte ranges.
ScanOutcome scan_envelope(std::string_view text, std::initializer_list<std::string_view> opaque_keys,
                          const ScanLimits& limits = {});

/// The text of a member of an object that a scan has found good; of several of this name the last. nullopt: none.
std::optional<std::string_view> member_text(std::string_view object, std::string_view key);

/// The value of a text that a scan has found good; nullopt: it holds a number that is too large for a double.
std::optional<nlohmann::json> decoded(std::string_view json);

/// The members at the beginning of an object that is cut off somewhere: those that are whole, and small values (no
/// objects or arrays). Nothing is checked that stands behind them.
Envelope scan_beginning(std::string_view cut_off);

/// Checks one JSON value of any kind (syntax, UTF-8, depth); nullopt when it is fine.
std::optional<ScanError> check_json(std::string_view text, const ScanLimits& limits = {});

/// `json` with raw line breaks between tokens turned into spaces; valid JSON has none inside strings.
std::string on_one_line(std::string_view json);
/// The same without a second copy: `json` lies in `whole`, and all that is around it goes.
void keep_on_one_line(std::string& whole, std::string_view json);

}  // namespace emprops::ipc
