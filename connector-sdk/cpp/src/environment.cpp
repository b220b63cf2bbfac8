#include "emprops/environment.h"

#include <unistd.h>

#include <cstdlib>

namespace emprops {
namespace {

/// One value, as a row of this type would take it.
template <class T>
T taken(const std::string& name, const Json& value, T fallback, Range range = {}) {
    const auto limits = range == Range() ? std::nullopt : std::optional(range);
    if (const auto wrong = settings::Codec<T>().read(value, {limits, false, nullptr}, fallback))
        throw ConfigurationError(name + " " + *wrong);
    return fallback;
}

template <class T>
T from_environment(std::string_view name, T fallback, Range range = {}) {
    const auto found = env_find(name);
    if (!found) return fallback;
    return taken(found->name, settings::Codec<T>().from_text(found->value), std::move(fallback), range);
}

template <class T>
T from_table(const Json& table, std::string_view key, T fallback, Range range = {}) {
    if (!table.is_object()) return fallback;
    const auto found = table.find(std::string(key));
    if (found == table.end() || found->is_null()) return fallback;
    // Not as lenient as a row: a payload's "false" is a text.
    const std::string name = "setting \"" + std::string(key) + "\"";
    if (std::is_same_v<T, bool> && !found->is_boolean())
        throw ConfigurationError(name + " must be true or false");
    return taken(name, *found, std::move(fallback), range);
}

}  // namespace

std::optional<EnvValue> env_find(std::string_view name) {
    for (const std::string& candidate : {"WORKER_" + std::string(name), std::string(name)})
        if (const char* value = std::getenv(candidate.c_str())) return EnvValue{candidate, value};
    return std::nullopt;
}

std::vector<std::string> env_names() {
    std::vector<std::string> names;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        names.emplace_back(text.substr(0, text.find('=')));
    }
    return names;
}

std::string env_string(std::string_view name, const std::string& fallback) {
    return from_environment(name, fallback);
}

std::int64_t env_int(std::string_view name, std::int64_t fallback, Range range) {
    return from_environment(name, fallback, range);
}

double env_double(std::string_view name, double fallback, Range range) {
    return from_environment(name, fallback, range);
}

bool env_bool(std::string_view name, bool fallback) {
    return from_environment(name, fallback);
}

std::string setting_string(const Json& settings, std::string_view key, const std::string& fallback) {
    return from_table(settings, key, fallback);
}

std::int64_t setting_int(const Json& settings, std::string_view key, std::int64_t fallback, Range range) {
    return from_table(settings, key, fallback, range);
}

double setting_double(const Json& settings, std::string_view key, double fallback, Range range) {
    return from_table(settings, key, fallback, range);
}

bool setting_bool(const Json& settings, std::string_view key, bool fallback) {
    return from_table(settings, key, fallback);
}

std::string own_concurrency_warning(const ConnectorSettings& given, std::optional<int> own) {
    if (!own || given.concurrency == own) return {};
    const std::string right = "[connectors." + given.connector + "] concurrency";
    const std::string wrong = "the connector's own setting concurrency (" + std::to_string(*own) + ")";
    if (given.concurrency)
        return wrong + " does not count beside " + right + " = " + std::to_string(*given.concurrency) +
               "; remove it";
    return wrong + " is an old name and still counts; write " + right + " = " + std::to_string(*own) +
           " instead";
}

}  // namespace emprops
