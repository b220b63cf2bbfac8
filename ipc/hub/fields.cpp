#include "ipc/hub/fields.h"

#include <charconv>

#include "ipc/hub/messages.h"
#include "ipc/json_text.h"

namespace emprops::hub {
namespace {

std::optional<std::int64_t> integer_of(const Json& value) {
    if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
    if (!value.is_string()) return ipc::whole_number(value);
    const auto& text = value.get_ref<const std::string&>();
    std::int64_t number = 0;
    const auto* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    return error == std::errc() && stop == end ? std::optional(number) : std::nullopt;
}

}  // namespace

const Json* Fields::find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
}

std::string Fields::text(const char* key, std::string_view missing) {
    const auto* value = find(key);
    if (!value) return std::string(missing);
    if (value->is_string()) return value->get<std::string>();
    refuse(key);
    return {};
}

std::optional<std::string> Fields::text_or_null(const char* key, std::optional<std::string> missing) {
    const auto* value = find(key);
    if (!value) return missing;
    if (value->is_null()) return std::nullopt;
    return text(key);
}

std::int64_t Fields::integer(const char* key, std::int64_t missing) {
    const auto* value = find(key);
    if (!value) return missing;
    const auto number = integer_of(*value);
    if (!number) refuse(key);
    return number.value_or(0);
}

double Fields::number(const char* key, double missing) {
    const auto* value = find(key);
    if (!value) return missing;
    if (value->is_number()) return value->get<double>();
    const auto whole = integer_of(*value);
    if (!whole) refuse(key);
    return static_cast<double>(whole.value_or(0));
}

bool Fields::boolean(const char* key, bool missing) {
    const auto* value = find(key);
    if (!value) return missing;
    if (value->is_boolean()) return value->get<bool>();
    if (*value == 1 || *value == "true" || *value == "1" || *value == "yes" || *value == "on") return true;
    if (*value == 0 || *value == "false" || *value == "0" || *value == "no" || *value == "off") return false;
    refuse(key);
    return missing;
}

Json Fields::object_or_null(const char* key) {
    const auto* value = find(key);
    if (!value || value->is_null()) return nullptr;
    if (!value->is_object()) refuse(key);
    return *value;
}

}  // namespace emprops::hub
