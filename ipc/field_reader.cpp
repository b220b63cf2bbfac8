#include "ipc/field_reader.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ipc/json_text.h"

namespace emprops::ipc {

const Json* FieldReader::find(const char* name) const {
    const auto found = fields_.find(name);
    return found == fields_.end() || found->is_null() ? nullptr : &*found;
}

const Json* FieldReader::require(const char* name) {
    const Json* value = find(name);
    if (value == nullptr) fail("the field \"" + std::string(name) + "\" is missing");
    return value;
}

bool FieldReader::has(const char* name) const {
    return find(name) != nullptr;
}

void FieldReader::fail(std::string sentence) {
    if (reason_.empty()) reason_ = what_ + ": " + std::move(sentence);
}

void FieldReader::wrong(const char* name, const std::string& expected, const Json& found) {
    fail("the field \"" + std::string(name) + "\" must be " + expected + ", but is of type " +
         found.type_name());
}

std::string FieldReader::text(const char* name) {
    const Json* value = require(name);
    if (value == nullptr) return {};
    return text(name, {});
}

std::string FieldReader::nonempty_text(const char* name) {
    std::string value = text(name);
    if (value.empty()) fail("the field \"" + std::string(name) + "\" is empty");
    return value;
}

std::string FieldReader::text(const char* name, std::string fallback) {
    const Json* value = find(name);
    if (value == nullptr) return fallback;
    if (!value->is_string()) {
        wrong(name, "a string", *value);
        return fallback;
    }
    return value->get<std::string>();
}

bool FieldReader::flag(const char* name) {
    return require(name) != nullptr && flag(name, false);
}

bool FieldReader::flag(const char* name, bool fallback) {
    const Json* value = find(name);
    if (value == nullptr) return fallback;
    if (!value->is_boolean()) {
        wrong(name, "true or false", *value);
        return fallback;
    }
    return value->get<bool>();
}

std::int64_t FieldReader::integer_of(const char* name, const Json& value, std::int64_t low,
                                     std::int64_t high) {
    if (!value.is_number()) {
        wrong(name, "a whole number", value);
        return low;
    }
    const auto number = whole_number(value);
    if (number && *number >= low && *number <= high) return *number;
    fail("the field \"" + std::string(name) + "\" must be a whole number from " + std::to_string(low) +
         " to " + std::to_string(high));
    return low;
}

std::int64_t FieldReader::integer(const char* name, std::int64_t low, std::int64_t high) {
    const Json* value = require(name);
    return value == nullptr ? low : integer_of(name, *value, low, high);
}

std::int64_t FieldReader::integer(const char* name, std::int64_t low, std::int64_t high,
                                  std::int64_t fallback) {
    const Json* value = find(name);
    return value == nullptr ? fallback : integer_of(name, *value, low, high);
}

std::uint64_t FieldReader::unsigned_integer(const char* name) {
    return require(name) == nullptr ? 0 : unsigned_integer(name, 0);
}

std::uint64_t FieldReader::unsigned_integer(const char* name, std::uint64_t fallback) {
    const Json* value = find(name);
    if (value == nullptr) return fallback;
    if (value->is_number_unsigned()) return value->get<std::uint64_t>();
    return static_cast<std::uint64_t>(integer_of(name, *value, 0, std::numeric_limits<std::int64_t>::max()));
}

Json FieldReader::object(const char* name, Json fallback) {
    const Json* value = find(name);
    if (value == nullptr) return fallback;
    if (!value->is_object()) {
        wrong(name, "an object", *value);
        return fallback;
    }
    return *value;
}

std::optional<int> FieldReader::percent(const char* name) {
    const Json* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number()) {
        wrong(name, "a number from 0 to 100", *value);
        return std::nullopt;
    }
    return static_cast<int>(std::lround(std::clamp(value->get<double>(), 0.0, 100.0)));
}

std::vector<std::string> FieldReader::texts(const char* name) {
    std::vector<std::string> out;
    const Json* value = find(name);
    if (value == nullptr) return out;
    const bool good = value->is_array() && std::all_of(value->begin(), value->end(), [](const Json& item) {
                          return item.is_string() && !item.get_ref<const std::string&>().empty();
                      });
    if (!good) {
        fail("the field \"" + std::string(name) + "\" must be an array of strings that are not empty");
        return out;
    }
    return value->get<std::vector<std::string>>();
}

std::vector<int> FieldReader::integers(const char* name) {
    std::vector<int> out;
    const Json* value = find(name);
    if (value == nullptr) return out;
    if (!value->is_array()) {
        wrong(name, "an array of whole numbers", *value);
        return out;
    }
    using Limits = std::numeric_limits<int>;
    for (const Json& item : *value) {
        out.push_back(static_cast<int>(integer_of(name, item, Limits::min(), Limits::max())));
    }
    return out;
}

JobError FieldReader::job_error(const char* name) {
    JobError error;
    const Json* value = require(name);
    if (value == nullptr) return error;
    if (!value->is_object()) {
        wrong(name, "an object", *value);
        return error;
    }
    FieldReader inner(*value, "inside the field \"" + std::string(name) + "\"");
    error.code = inner.text("code", error.code);
    if (error.code.empty()) error.code = code::internal;
    error.message = inner.text("message", "the connector gave no reason");
    error.retryable = inner.flag("retryable", error.retryable);
    error.details = inner.object("details", nullptr);
    if (inner.failed()) fail(inner.reason());
    return error;
}

}  // namespace emprops::ipc
