#pragma once
// One value from a variable, or from the table of a connector's settings. They are better said as rows (settings.h); the
// values are spelled and refused in the same words. Payloads are read by members.h.
//
// Every variable is looked up as WORKER_NAME and then as NAME. One that exists but is empty counts as set. A value that
// cannot be understood throws ConfigurationError naming the variable and what is allowed: a wrong setting must never be
// replaced by a default. Reads the environment only; call from initialize().

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/rows/codec.h"
#include "emprops/connector.h"

namespace emprops {

using settings::Range;

/// The variable's value and the name under which it was found.
struct EnvValue {
    std::string name;
    std::string value;
};
std::optional<EnvValue> env_find(std::string_view name);
/// The names of all variables of this process.
std::vector<std::string> env_names();

std::string env_string(std::string_view name, const std::string& fallback);
std::int64_t env_int(std::string_view name, std::int64_t fallback, Range range = {});
double env_double(std::string_view name, double fallback, Range range = {});
/// true, 1, yes, on and false, 0, no, off in any case; empty is false, as in the Python worker.
bool env_bool(std::string_view name, bool fallback);

/// The same from `hello.settings`; a value of another type throws ConfigurationError. For payloads: members.h.
std::string setting_string(const Json& settings, std::string_view key, const std::string& fallback);
std::int64_t setting_int(const Json& settings, std::string_view key, std::int64_t fallback, Range range = {});
double setting_double(const Json& settings, std::string_view key, double fallback, Range range = {});
bool setting_bool(const Json& settings, std::string_view key, bool fallback);

/// For connectors with a setting `concurrency` of their own: `own` says what it is, if it is set. A sentence
/// for the log that names the one that counts, [connectors.NAME] concurrency; empty: nothing to say.
std::string own_concurrency_warning(const ConnectorSettings& given, std::optional<int> own);

}  // namespace emprops
