#include "config/rows/toml_text.h"
#include "ipc/json_text.h"
#include "ipc/text/people.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace emprops::settings {

using Json = nlohmann::json;

namespace {

std::string toml_key(const std::string& key) {
    const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '-';
    });
    return bare ? key : toml_string(key);
}

}  // namespace

std::string plain(double value) {
    constexpr double exact = 9e15;
    if (std::abs(value) < exact && value == std::floor(value))
        return std::to_string(static_cast<std::int64_t>(value));
    std::array<char, 40> buffer{};
    const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
    return error == std::errc{} ? std::string(buffer.data(), end) : "?";
}

std::string toml_string(std::string_view text) {
    // JSON's escapes are TOML's too, but for \/ which is never written; DEL needs one in TOML only.
    std::string result = ipc::dump(Json(text));
    for (std::size_t at = 0; (at = result.find('\x7f', at)) != std::string::npos;) {
        result.replace(at, 1, "\\u007F");
    }
    return result;
}

std::string toml_value(const Json& value) {
    if (value.is_null()) return "";
    if (value.is_string()) return toml_string(value.get_ref<const std::string&>());
    std::string result;
    if (value.is_array()) {
        for (const Json& item : value)
            add_item(result, toml_value(item));
        return "[" + result + "]";
    }
    if (!value.is_object()) return value.dump();
    for (const auto& item : value.items()) {
        result += (result.empty() ? " " : ", ") + toml_key(item.key()) + " = " + toml_value(item.value());
    }
    return result.empty() ? "{}" : "{" + result + " }";
}

}  // namespace emprops::settings
