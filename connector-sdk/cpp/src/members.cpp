#include "emprops/members.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "connector-sdk/cpp/src/json_limits.h"
#include "ipc/json_text.h"
#include "ipc/messages.h"
#include "ipc/text/utf8.h"

namespace emprops {
namespace {

constexpr std::size_t most_shown_bytes = 80;
constexpr const char* a_text = "a text";
constexpr const char* a_whole_number = "a whole number";
constexpr const char* a_number = "a number";
constexpr const char* true_or_false = "true or false";
constexpr const char* a_list = "a list";
constexpr const char* an_object = "an object";

JobFailure invalid(const std::string& message) {
    return {ipc::code::invalid_payload, message, false};
}

std::string shown(const Json& value) {
    const std::string kind = sdk::kind_of(value);
    if (!value.is_string() && !value.is_number()) return kind;
    return text::shortened(ipc::dump(value), most_shown_bytes) + " (" + kind + ")";
}

std::string limit(double value) {
    const bool whole = std::trunc(value) == value && std::abs(value) < 1e15;
    return whole ? std::to_string(static_cast<std::int64_t>(value)) : Json(value).dump();
}

std::string in_range(const char* kind, Members::Range range) {
    return std::string(kind) + " from " + limit(range.min) + " to " + limit(range.max);
}

bool outside(double value, Members::Range range) {
    return !(value >= range.min && value <= range.max);
}

}  // namespace

bool Members::has(std::string_view key) const {
    return find(key) != nullptr;
}

const Json* Members::find(std::string_view key) const {
    if (!values_.is_object()) return nullptr;
    const auto found = values_.find(std::string(key));
    return found == values_.end() || found->is_null() ? nullptr : &*found;
}

const Json& Members::need(std::string_view key, const char* kind) const {
    if (const Json* value = find(key)) return *value;
    throw invalid("the payload must have \"" + path_ + std::string(key) + "\", " + kind);
}

JobFailure Members::wrong(std::string_view key, const std::string& wanted, const Json& value) const {
    return invalid("\"" + path_ + std::string(key) + "\" of the payload must be " + wanted + ", but is " +
                   shown(value));
}

std::string Members::to_string(std::string_view key, const Json& value) const {
    if (!value.is_string()) throw wrong(key, a_text, value);
    return value.get<std::string>();
}

std::int64_t Members::to_integer(std::string_view key, const Json& value, Range range) const {
    constexpr double end = 9223372036854775808.0;  // 2^63
    std::int64_t number = 0;
    if (value.is_number_unsigned() &&
        value.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        throw wrong(key, "a whole number below 2^63", value);
    } else if (value.is_number_integer()) {
        number = value.get<std::int64_t>();
    } else {
        const double real = value.is_number_float() ? value.get<double>() : std::nan("");
        if (std::isnan(real) || std::trunc(real) != real || real < -end || real >= end)
            throw wrong(key, a_whole_number, value);
        number = static_cast<std::int64_t>(real);
    }
    if (outside(static_cast<double>(number), range)) throw wrong(key, in_range(a_whole_number, range), value);
    return number;
}

double Members::to_number(std::string_view key, const Json& value, Range range) const {
    if (!value.is_number()) throw wrong(key, a_number, value);
    const auto number = value.get<double>();
    if (outside(number, range)) throw wrong(key, in_range(a_number, range), value);
    return number;
}

bool Members::to_boolean(std::string_view key, const Json& value) const {
    if (!value.is_boolean()) throw wrong(key, true_or_false, value);
    return value.get<bool>();
}

Json Members::to_array(std::string_view key, const Json& value) const {
    if (!value.is_array()) throw wrong(key, a_list, value);
    return value;
}

Members Members::to_object(std::string_view key, const Json& value) const {
    if (!value.is_object()) throw wrong(key, an_object, value);
    return {value, path_ + std::string(key) + "."};
}

std::string Members::string(std::string_view key) const {
    return to_string(key, need(key, a_text));
}
std::string Members::string(std::string_view key, const std::string& fallback) const {
    const Json* value = find(key);
    return value == nullptr ? fallback : to_string(key, *value);
}

std::string Members::choice(std::string_view key, const std::vector<std::string>& choices) const {
    const Json* value = find(key);
    if (value == nullptr && !choices.empty()) return choices.front();
    const std::string text = to_string(key, need(key, a_text));
    if (std::find(choices.begin(), choices.end(), text) != choices.end()) return text;
    std::string all;
    for (const std::string& each : choices)
        all += (all.empty() ? "" : ", ") + each;
    throw wrong(key, "one of " + all, *value);
}

std::int64_t Members::integer(std::string_view key, Range range) const {
    return to_integer(key, need(key, a_whole_number), range);
}
std::int64_t Members::integer(std::string_view key, std::int64_t fallback, Range range) const {
    const Json* value = find(key);
    return value == nullptr ? fallback : to_integer(key, *value, range);
}

double Members::number(std::string_view key, Range range) const {
    return to_number(key, need(key, a_number), range);
}
double Members::number(std::string_view key, double fallback, Range range) const {
    const Json* value = find(key);
    return value == nullptr ? fallback : to_number(key, *value, range);
}

bool Members::boolean(std::string_view key) const {
    return to_boolean(key, need(key, true_or_false));
}
bool Members::boolean(std::string_view key, bool fallback) const {
    const Json* value = find(key);
    return value == nullptr ? fallback : to_boolean(key, *value);
}

Json Members::array(std::string_view key) const {
    return to_array(key, need(key, a_list));
}
Json Members::array(std::string_view key, const Json& fallback) const {
    const Json* value = find(key);
    return value == nullptr ? fallback : to_array(key, *value);
}

Members Members::object(std::string_view key) const {
    return to_object(key, need(key, an_object));
}
Members Members::object(std::string_view key, const Json& fallback) const {
    const Json* value = find(key);
    return to_object(key, value == nullptr ? fallback : *value);
}

}  // namespace emprops
