#include "config/values.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "ipc/text/values.h"

namespace emprops::config {

using nlohmann::json;

namespace {

constexpr int max_depth = 32;  // settings travel in `hello`, where 64 is the limit

std::string ticked(std::string_view text) {
    constexpr std::size_t shown = 60;
    return "`" + std::string(text.substr(0, shown)) + (text.size() > shown ? "…`" : "`");
}

/// How the rejected value is named in a message: never a secret's.
std::string shown(const Field& field, const json& value) {
    if (field.secret || field.may_hold_token) return "this value";
    if (value.is_string()) return ticked(value.get_ref<const std::string&>());
    return ticked(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

bool has_range(const Field& field) {
    return field.min != 0 || field.max != 0;
}

std::string expected_integer(const Field& field, double low, double high) {
    if (has_range(field)) return "a whole number from " + plain(field.min) + " to " + plain(field.max);
    return "a whole number from " + plain(low) + (high < 1e15 ? " to " + plain(high) : " up");
}

std::filesystem::path absolute(const std::string& text, const std::filesystem::path& base) {
    const std::filesystem::path path(text);
    if (text.empty() || path.is_absolute()) return path;
    return (base / path).lexically_normal();
}

std::optional<std::string> level_name(std::string_view text) {
    const std::string name = text::lower(text);
    if (name == "warning") return "warn";
    if (name == "critical" || name == "fatal") return "error";
    if (name == "notset") return "trace";
    const Field* field = find_field("log", "level");
    const auto& known = field->choices;
    if (std::find(known.begin(), known.end(), name) == known.end()) return {};
    return name;
}

constexpr std::string_view level_words = "trace, debug, info, warn or error";

int depth_of(const json& value, int at_most) {
    if (!value.is_structured()) return 0;
    if (at_most == 0) return 1;
    int deepest = 0;
    for (const auto& item : value.items())
        deepest = std::max(deepest, depth_of(item.value(), at_most - 1));
    return deepest + 1;
}

bool all_finite(const json& value) {
    if (value.is_number_float()) return std::isfinite(value.get<double>());
    if (!value.is_structured()) return true;
    return std::all_of(value.begin(), value.end(), [](const json& item) { return all_finite(item); });
}

bool holds_nul(const json& value) {
    if (value.is_string()) return value.get_ref<const std::string&>().find('\0') != std::string::npos;
    if (!value.is_structured()) return false;
    return std::any_of(value.begin(), value.end(), [](const json& item) { return holds_nul(item); });
}

/// A scalar as the text of a variable: numbers and booleans may stand unquoted in [connectors.NAME.env].
std::optional<std::string> scalar_text(const json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number() || value.is_boolean()) return value.dump();
    return {};
}

using Message = std::optional<std::string>;

/// Stores one value in the slot of its type; one overload per type of slot.
struct Storer {
    const Field& field;
    const json& value;
    const std::filesystem::path& base;

    std::string must_be(const std::string& what) const {
        return "must be " + what + ", not " + shown(field, value);
    }

    Message operator()(bool* slot) const {
        if (value.is_boolean()) {
            *slot = value.get<bool>();
            return {};
        }
        const std::optional<bool> parsed =
            value.is_string() ? text::parse_bool(value.get_ref<const std::string&>()) : std::nullopt;
        if (!parsed) return must_be("true or false");
        *slot = *parsed;
        return {};
    }

    Message operator()(std::string* slot) const {
        if (!value.is_string()) return must_be("a string (in quotes)");
        const auto& text = value.get_ref<const std::string&>();
        if (field.kind != Kind::choice) {
            *slot = text;
            return {};
        }
        if (field.table == "log" && field.key == "level") {
            const std::optional<std::string> level = level_name(text);
            if (!level) return must_be(std::string(level_words));
            *slot = *level;
            return {};
        }
        const auto known = std::find(field.choices.begin(), field.choices.end(), text::lower(text));
        if (known != field.choices.end()) {
            *slot = std::string(*known);
            return {};
        }
        std::string words;
        for (const std::string_view choice : field.choices) {
            words += (words.empty()                    ? "`"
                      : choice == field.choices.back() ? " or `"
                                                       : ", `") +
                     std::string(choice) + "`";
        }
        return must_be(words);
    }

    Message operator()(Duration* slot) const {
        static const std::string spelling =
            "a time such as \"500ms\", \"10s\", \"5m\", \"1h\" or a number of seconds";
        std::optional<Duration> parsed;
        if (value.is_string()) parsed = text::parse_duration(value.get_ref<const std::string&>());
        if (value.is_number()) {
            const double seconds = value.get<double>();
            if (seconds >= 0 && seconds <= text::max_duration_s)
                parsed = Duration(std::llround(seconds * 1000));
        }
        if (!parsed) return must_be(spelling);
        const double seconds = static_cast<double>(parsed->count()) / 1000.0;
        if (has_range(field) && (seconds < field.min || seconds > field.max)) {
            return must_be("from " + plain(field.min) + " s to " + plain(field.max) + " s");
        }
        *slot = *parsed;
        return {};
    }

    Message operator()(double* slot) const {
        if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < field.min ||
            value.get<double>() > field.max) {
            return must_be("a number from " + plain(field.min) + " to " + plain(field.max));
        }
        *slot = value.get<double>();
        return {};
    }

    Message operator()(std::uint64_t* slot) const {
        if (field.kind != Kind::bytes) return store_integer(*slot);
        std::optional<Bytes> parsed;
        if (value.is_string()) parsed = text::parse_bytes(value.get_ref<const std::string&>());
        if (value.is_number_integer() && value.get<double>() >= 0) parsed = value.get<Bytes>();
        if (!parsed) return must_be("a size such as \"512KiB\", \"16MiB\", \"10MB\" or a number of bytes");
        const auto size = static_cast<double>(*parsed);
        if (has_range(field) && (size < field.min || size > field.max)) {
            return must_be("from " + plain(field.min) + " to " + plain(field.max) + " bytes");
        }
        *slot = *parsed;
        return {};
    }

    Message operator()(std::uint32_t* slot) const { return store_integer(*slot); }
    Message operator()(std::uint16_t* slot) const { return store_integer(*slot); }

    template <class T>
    Message operator()(std::optional<T>* slot) const {
        if (value.is_string() && text::trim(value.get_ref<const std::string&>()).empty()) {
            slot->reset();
            return {};
        }
        T number{};
        Message problem = store_integer(number);
        if (!problem) *slot = number;
        return problem;
    }

    Message operator()(std::filesystem::path* slot) const {
        if (!value.is_string()) return must_be("a path (in quotes)");
        *slot = absolute(value.get<std::string>(), base);
        return {};
    }

    Message operator()(std::vector<std::string>* slot) const {
        std::vector<std::string> items;
        if (field.kind == Kind::words && value.is_string()) {
            auto words = text::split_words(value.get_ref<const std::string&>());
            if (!words) return "has a quote that is not closed";
            items = std::move(*words);
        } else {
            if (!value.is_array()) return must_be("a list of strings");
            for (const json& item : value) {
                if (!item.is_string()) return must_be("a list of strings");
                items.push_back(item.get<std::string>());
            }
        }
        if (field.kind == Kind::words && !items.empty()) {
            if (items.front().empty()) return must_be("a program and its arguments");
            // `./mine.sh` means the one beside the file; the process runs elsewhere. A bare name: PATH.
            if (items.front().find('/') != std::string::npos) {
                items.front() = absolute(items.front(), base).string();
            }
        }
        *slot = std::move(items);
        return {};
    }

    Message operator()(std::vector<int>* slot) const {
        if (!value.is_array()) return must_be("a list of whole numbers");
        std::vector<int> numbers;
        for (const json& item : value) {
            if (!item.is_number_integer() || item.get<double>() < field.min ||
                item.get<double>() > field.max) {
                return must_be("a list of " + expected_integer(field, 0, 0));
            }
            numbers.push_back(item.get<int>());
        }
        *slot = std::move(numbers);
        return {};
    }

    Message operator()(std::vector<std::filesystem::path>* slot) const {
        if (!value.is_array()) return must_be("a list of paths");
        std::vector<std::filesystem::path> paths;
        for (const json& item : value) {
            if (!item.is_string() || item.get_ref<const std::string&>().empty()) {
                return must_be("a list of paths");
            }
            paths.push_back(absolute(item.get<std::string>(), base));
        }
        *slot = std::move(paths);
        return {};
    }

    Message operator()(std::map<std::string, std::string>* slot) const {
        if (!value.is_object()) return must_be("a table");
        std::map<std::string, std::string> merged = *slot;
        for (const auto& item : value.items()) {
            if (field.kind == Kind::levels && item.value().is_object()) {
                // connector.comfyui = "debug" without quotes is a table in a table
                nlohmann::json inner = nlohmann::json::object();
                for (const auto& below : item.value().items()) {
                    inner[item.key() + "." + below.key()] = below.value();
                }
                if (Message problem = Storer{field, inner, base}(&merged)) return problem;
                continue;
            }
            const std::optional<std::string> text = scalar_text(item.value());
            if (!text) return ticked(item.key()) + " must be a string";
            if (field.kind == Kind::levels) {
                const std::optional<std::string> level = level_name(*text);
                if (!level) return ticked(item.key()) + " must be " + std::string(level_words);
                merged[item.key()] = *level;
                continue;
            }
            if (item.key().empty() || item.key().find('=') != std::string::npos) {
                return ticked(item.key()) + " is not a variable name";
            }
            merged[item.key()] = *text;
        }
        *slot = std::move(merged);
        return {};
    }

    Message operator()(json* slot) const {
        if (!value.is_object()) return must_be("a table");
        if (!all_finite(value)) return "holds nan or inf, which cannot be sent to a connector";
        slot->merge_patch(value);
        return {};
    }

  private:
    template <class T>
    Message store_integer(T& target) const {
        double low = std::max(-9007199254740992.0, static_cast<double>(std::numeric_limits<T>::min()));
        double high = std::min(9007199254740992.0, static_cast<double>(std::numeric_limits<T>::max()));
        if (has_range(field)) {
            low = field.min;
            high = field.max;
        }
        if (!value.is_number_integer() || value.get<double>() < low || value.get<double>() > high) {
            return must_be(expected_integer(field, low, high));
        }
        target = value.get<T>();
        return {};
    }
};

/// The text of a variable as the JSON that the same value in TOML would be.
json text_as_json(const Field& field, std::string_view text) {
    const std::string_view trimmed = text::trim(text);
    switch (field.kind) {
        case Kind::integer:
            if (const auto number = text::parse_integer(trimmed)) return *number;
            return std::string(text);
        case Kind::number:
            if (const auto number = text::parse_double(trimmed)) return *number;
            return std::string(text);
        case Kind::choice:
            return std::string(trimmed);
        case Kind::names:
            return text::split_list(text);
        case Kind::paths:
            return text::split_list(text, ':');
        case Kind::numbers: {
            json numbers = json::array();
            for (const std::string& item : text::split_list(text)) {
                const std::size_t dash = item.find('-', 1);
                const auto first = text::parse_integer(text::trim(std::string_view(item).substr(0, dash)));
                const auto last =
                    dash == std::string::npos
                        ? first
                        : text::parse_integer(text::trim(std::string_view(item).substr(dash + 1)));
                constexpr std::int64_t most = 65536;  // a bound for the loop, not a rule
                if (!first || !last || *last < *first || *last - *first > most) return std::string(text);
                for (std::int64_t number = *first; number <= *last; ++number)
                    numbers.push_back(number);
            }
            return numbers;
        }
        case Kind::variables:
        case Kind::levels: {
            json table = json::object();
            for (const std::string& item : text::split_list(text)) {
                const std::size_t equals = item.find('=');
                if (equals == std::string::npos) return std::string(text);
                table[std::string(text::trim(std::string_view(item).substr(0, equals)))] =
                    std::string(text::trim(std::string_view(item).substr(equals + 1)));
            }
            return table;
        }
        case Kind::json: {
            json parsed = json::parse(text, nullptr, false);
            return parsed.is_discarded() ? json(std::string(text)) : parsed;
        }
        default:
            return std::string(text);
    }
}

}  // namespace

std::optional<std::string> assign(const Field& field, const json& value, Slot slot,
                                  const std::filesystem::path& base) {
    if (depth_of(value, max_depth) > max_depth) {
        return "is nested deeper than " + std::to_string(max_depth) + " levels";
    }
    if (holds_nul(value)) return "contains a NUL character";
    return std::visit(Storer{field, value, base}, slot);
}

std::optional<std::string> assign_text(const Field& field, std::string_view text, Slot slot,
                                       const std::filesystem::path& base) {
    return assign(field, text_as_json(field, text), slot, base);
}

}  // namespace emprops::config
