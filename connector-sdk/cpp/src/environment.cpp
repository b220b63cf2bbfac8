#include "emprops/environment.h"

#include <cstdlib>
#include <sstream>

#include "ipc/text/values.h"

namespace emprops {
namespace {

[[noreturn]] void reject(const std::string& where, const std::string& value, const std::string& needed) {
    constexpr std::size_t shown = 100;
    throw ConfigurationError(where + " is " +
                             (value.empty() ? "empty" : "\"" + value.substr(0, shown) + "\"") +
                             ", but must be " + needed);
}

std::string describe(IntRange range) {
    constexpr IntRange all;
    std::string text = "a whole number";
    if (range.min != all.min) text += " of at least " + std::to_string(range.min);
    if (range.max != all.max)
        text +=
            (range.min != all.min ? " and" : " of") + std::string(" at most ") + std::to_string(range.max);
    return text;
}

std::string describe(DoubleRange range) {
    constexpr DoubleRange all;
    std::ostringstream text;
    text << "a number";
    if (range.min != all.min) text << " of at least " << range.min;
    if (range.max != all.max) text << (range.min != all.min ? " and" : " of") << " at most " << range.max;
    return text.str();
}

std::string in_settings(std::string_view key) {
    return "setting \"" + std::string(key) + "\"";
}

const Json* find_in(const Json& settings, std::string_view key) {
    if (!settings.is_object()) return nullptr;
    const auto found = settings.find(std::string(key));
    return found == settings.end() || found->is_null() ? nullptr : &*found;
}

std::string shown(const Json& value) {
    if (value.is_structured()) return value.is_array() ? "a list" : "an object";
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::optional<EnvValue> env_find(std::string_view name) {
    for (const std::string& candidate : {"WORKER_" + std::string(name), std::string(name)})
        if (const char* value = std::getenv(candidate.c_str())) return EnvValue{candidate, value};
    return std::nullopt;
}

std::string env_string(std::string_view name, const std::string& fallback) {
    const auto found = env_find(name);
    return found ? found->value : fallback;
}

std::int64_t env_int(std::string_view name, std::int64_t fallback, IntRange range) {
    const auto found = env_find(name);
    if (!found) return fallback;
    const auto number = text::parse_integer(text::trim(found->value));
    if (!number || *number < range.min || *number > range.max)
        reject(found->name, found->value, describe(range));
    return *number;
}

double env_double(std::string_view name, double fallback, DoubleRange range) {
    const auto found = env_find(name);
    if (!found) return fallback;
    const auto number = text::parse_double(text::trim(found->value));
    if (!number || *number < range.min || *number > range.max)
        reject(found->name, found->value, describe(range));
    return *number;
}

bool env_bool(std::string_view name, bool fallback) {
    const auto found = env_find(name);
    if (!found) return fallback;
    const auto parsed = text::parse_bool(found->value);
    if (!parsed) reject(found->name, found->value, "true or false (also 1, yes, on, 0, no, off)");
    return *parsed;
}

std::string setting_string(const Json& settings, std::string_view key, const std::string& fallback) {
    const Json* value = find_in(settings, key);
    if (value == nullptr) return fallback;
    if (!value->is_string()) reject(in_settings(key), shown(*value), "a text");
    return value->get<std::string>();
}

std::int64_t setting_int(const Json& settings, std::string_view key, std::int64_t fallback, IntRange range) {
    const Json* value = find_in(settings, key);
    if (value == nullptr) return fallback;
    const bool too_big =
        value->is_number_unsigned() &&
        value->get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()};
    if (!value->is_number_integer() || too_big || value->get<std::int64_t>() < range.min ||
        value->get<std::int64_t>() > range.max)
        reject(in_settings(key), shown(*value), describe(range));
    return value->get<std::int64_t>();
}

double setting_double(const Json& settings, std::string_view key, double fallback, DoubleRange range) {
    const Json* value = find_in(settings, key);
    if (value == nullptr) return fallback;
    if (!value->is_number() || value->get<double>() < range.min || value->get<double>() > range.max)
        reject(in_settings(key), shown(*value), describe(range));
    return value->get<double>();
}

bool setting_bool(const Json& settings, std::string_view key, bool fallback) {
    const Json* value = find_in(settings, key);
    if (value == nullptr) return fallback;
    if (!value->is_boolean()) reject(in_settings(key), shown(*value), "true or false");
    return value->get<bool>();
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
