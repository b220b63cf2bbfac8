#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>
#include <span>

#include "config/values.h"

namespace emprops::config {

using nlohmann::json;

namespace {

template <class Number>
std::string with_unit(Number value, std::span<const std::pair<Number, std::string_view>> units) {
    for (const auto& [size, name] : units) {
        if (value != 0 && value % size == 0) return std::to_string(value / size) + std::string(name);
    }
    return std::to_string(value) + std::string(units.back().second);
}

template <class Items, class Write>
std::string list(const Items& items, Write write) {
    std::string result;
    for (const auto& item : items)
        result += (result.empty() ? "" : ", ") + write(item);
    return "[" + result + "]";
}

std::string toml_key(const std::string& key) {
    const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '-';
    });
    return bare ? key : toml_string(key);
}

struct Renderer {
    const Field& field;

    std::string operator()(const bool* v) const { return *v ? "true" : "false"; }
    std::string operator()(const std::string* v) const { return toml_string(*v); }
    std::string operator()(const Duration* v) const {
        static constexpr std::array<std::pair<std::int64_t, std::string_view>, 5> units = {
            {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}}};
        return v->count() == 0 ? "\"0s\"" : "\"" + with_unit<std::int64_t>(v->count(), units) + "\"";
    }
    std::string operator()(const double* v) const {
        const std::string text = plain(*v);
        return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
    }
    std::string operator()(const std::uint64_t* v) const {
        if (field.kind != Kind::bytes || *v == 0) return std::to_string(*v);
        static constexpr std::array<std::pair<std::uint64_t, std::string_view>, 4> units = {
            {{GiB, "GiB"}, {MiB, "MiB"}, {KiB, "KiB"}, {1, "B"}}};
        return "\"" + with_unit<std::uint64_t>(*v, units) + "\"";
    }
    std::string operator()(const std::uint32_t* v) const { return std::to_string(*v); }
    std::string operator()(const std::uint16_t* v) const { return std::to_string(*v); }
    template <class T>
    std::string operator()(const std::optional<T>* v) const {
        return *v ? std::to_string(**v) : "";
    }
    std::string operator()(const std::filesystem::path* v) const { return toml_string(v->string()); }
    std::string operator()(const std::vector<std::string>* v) const { return list(*v, toml_string); }
    std::string operator()(const std::vector<int>* v) const {
        return list(*v, [](int number) { return std::to_string(number); });
    }
    std::string operator()(const std::vector<std::filesystem::path>* v) const {
        return list(*v, [](const std::filesystem::path& path) { return toml_string(path.string()); });
    }
    std::string operator()(const std::map<std::string, std::string>* v) const { return toml_value(json(*v)); }
    std::string operator()(const json* v) const { return toml_value(*v); }

  private:
    static constexpr Bytes GiB = 1024 * MiB;
};

}  // namespace

std::string render(const Field& field, const Slot& slot) {
    return std::visit(Renderer{field}, slot);
}

std::string plain(double value) {
    std::array<char, 40> buffer{};
    const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
    return error == std::errc{} ? std::string(buffer.data(), end) : "?";
}

std::string toml_string(std::string_view text) {
    // JSON's escapes are TOML's too, but for \/ which is never written; DEL needs one in TOML only.
    std::string result = json(text).dump(-1, ' ', false, json::error_handler_t::replace);
    for (std::size_t at = 0; (at = result.find('\x7f', at)) != std::string::npos;) {
        result.replace(at, 1, "\\u007F");
    }
    return result;
}

std::string toml_value(const json& value) {
    if (value.is_string()) return toml_string(value.get_ref<const std::string&>());
    if (value.is_array()) return list(value, toml_value);
    if (!value.is_object()) return value.dump();
    std::string result;
    for (const auto& item : value.items()) {
        result += (result.empty() ? " " : ", ") + toml_key(item.key()) + " = " + toml_value(item.value());
    }
    return result.empty() ? "{}" : "{" + result + " }";
}

}  // namespace emprops::config
