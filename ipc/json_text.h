#pragma once
// JSON values to text and back to plain values, as several readers and writers need it. Pure.

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace emprops::ipc {

/// On one line (or indented) and always valid UTF-8: what is not becomes U+FFFD.
template <class AnyJson>
requires requires {
    typename AnyJson::error_handler_t;
}
std::string dump(const AnyJson& value, int indent = -1) {
    return value.dump(indent, ' ', false, AnyJson::error_handler_t::replace);
}
/// The same of what becomes a json on the way: texts, lists.
inline std::string dump(const nlohmann::json& value) {
    return dump<nlohmann::json>(value);
}

/// A number without a fraction. 1.0 is as good as 1: some languages have one kind of number only.
inline std::optional<std::int64_t> whole_number(const nlohmann::json& value) {
    if (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX) return std::nullopt;
    if (value.is_number_integer()) return value.get<std::int64_t>();
    if (!value.is_number_float()) return std::nullopt;
    const auto number = value.get<double>();
    if (std::abs(number) > 9e15 || number != std::floor(number)) return std::nullopt;
    return static_cast<std::int64_t>(number);
}

/// A member that is a text; "" when it is missing or anything else.
inline std::string text_or_empty(const nlohmann::json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// The texts of a list that has nothing else; nullopt: it is none.
inline std::optional<std::vector<std::string>> all_texts(const nlohmann::json& list) {
    if (!list.is_array()) return std::nullopt;
    std::vector<std::string> texts;
    for (const auto& each : list) {
        if (!each.is_string()) return std::nullopt;
        texts.push_back(each.get<std::string>());
    }
    return texts;
}

}  // namespace emprops::ipc
