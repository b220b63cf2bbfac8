// The codecs of lists and tables.

#include <algorithm>
#include <cmath>

#include "config/rows/codec.h"
#include "ipc/text/values.h"

namespace emprops::settings {

namespace {

bool all_finite(const Json& value) {
    if (value.is_number_float()) return std::isfinite(value.get<double>());
    if (!value.is_structured()) return true;
    return std::all_of(value.begin(), value.end(), [](const Json& item) { return all_finite(item); });
}

/// A scalar as the text of a variable.
std::optional<std::string> scalar_text(const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number() || value.is_boolean()) return value.dump();
    return {};
}

std::optional<std::vector<std::string>> texts_of(const Json& value) {
    std::vector<std::string> items;
    if (!value.is_array()) return {};
    for (const Json& item : value) {
        if (!item.is_string()) return {};
        items.push_back(item.get<std::string>());
    }
    return items;
}

}  // namespace

Names some_of(std::vector<std::string> words) {
    Names names;
    names.words = std::move(words);
    return names;
}

std::string Names::noun(const std::optional<Range>&) const {
    return words.empty() ? "a list of strings" : "a list of " + one_of(words).noun({});
}

Complaint Names::read(const Json& value, const Context& context, std::vector<std::string>& into) const {
    auto items = texts_of(value);
    if (!items || (items->empty() && !words.empty())) return context.must_be(noun({}), value);
    for (const std::string& item : *items) {
        if (words.empty() || std::find(words.begin(), words.end(), item) != words.end()) continue;
        return context.must_be(noun({}), item);
    }
    into = std::move(*items);
    return {};
}

Json Names::from_text(std::string_view text) const {
    return text::split_list(text);
}

Complaint Command::read(const Json& value, const Context& context, std::vector<std::string>& into) const {
    std::optional<std::vector<std::string>> items = texts_of(value);
    if (value.is_string()) {
        items = text::split_words(value.get_ref<const std::string&>());
        if (!items) return "has a quote that is not closed";
    }
    if (!items) return context.must_be("a list of strings", value);
    if (!items->empty()) {
        if (items->front().empty()) return context.must_be(noun({}), value);
        // `./mine.sh` means the one beside the file; the process runs elsewhere. A bare name: PATH.
        if (items->front().find('/') != std::string::npos)
            items->front() = context.absolute(items->front()).string();
    }
    into = std::move(*items);
    return {};
}

Complaint Codec<std::vector<int>>::read(const Json& value, const Context& context,
                                        std::vector<int>& into) const {
    if (!value.is_array()) return context.must_be("a list of whole numbers", value);
    std::vector<int> numbers;
    for (const Json& item : value) {
        int number = 0;
        if (Codec<int>().read(item, context, number)) return context.must_be(noun(context.range), value);
        numbers.push_back(number);
    }
    into = std::move(numbers);
    return {};
}

Json Codec<std::vector<int>>::from_text(std::string_view text) const {
    Json numbers = Json::array();
    for (const std::string& item : text::split_list(text)) {
        const std::size_t dash = item.find('-', 1);
        const auto first = text::parse_integer(text::trim(std::string_view(item).substr(0, dash)));
        const auto last = dash == std::string::npos
                              ? first
                              : text::parse_integer(text::trim(std::string_view(item).substr(dash + 1)));
        constexpr std::int64_t most = 65536;  // a bound for the loop, not a rule
        if (!first || !last || *last < *first || *last - *first > most) return std::string(text);
        for (std::int64_t number = *first; number <= *last; ++number)
            numbers.push_back(number);
    }
    return numbers;
}

Complaint Codec<std::vector<std::filesystem::path>>::read(const Json& value, const Context& context,
                                                          std::vector<std::filesystem::path>& into) const {
    const auto items = texts_of(value);
    if (!items || std::find(items->begin(), items->end(), "") != items->end())
        return context.must_be(noun({}), value);
    into.clear();
    for (const std::string& item : *items)
        into.push_back(context.absolute(item));
    return {};
}

Json Codec<std::vector<std::filesystem::path>>::from_text(std::string_view text) const {
    return text::split_list(text, ':');
}

Json Codec<std::vector<std::filesystem::path>>::write(const std::vector<std::filesystem::path>& value) const {
    Json list = Json::array();
    for (const std::filesystem::path& path : value)
        list.push_back(path.string());
    return list;
}

Complaint Codec<Texts>::read(const Json& value, const Context& context, Texts& into) const {
    if (!value.is_object()) return context.must_be(noun({}), value);
    Texts merged = into;
    for (const auto& item : value.items()) {
        const std::optional<std::string> text = scalar_text(item.value());
        if (!text) return ticked(item.key()) + " must be a string";
        if (item.key().empty() || item.key().find('=') != std::string::npos) {
            return ticked(item.key()) + " is not a variable name";
        }
        merged[item.key()] = *text;
    }
    into = std::move(merged);
    return {};
}

Json Codec<Texts>::from_text(std::string_view text) const {
    Json table = Json::object();
    for (const std::string& item : text::split_list(text)) {
        const std::size_t equals = item.find('=');
        if (equals == std::string::npos) return std::string(text);
        table[std::string(text::trim(std::string_view(item).substr(0, equals)))] =
            std::string(text::trim(std::string_view(item).substr(equals + 1)));
    }
    return table;
}

Complaint LogLevels::read(const Json& value, const Context& context, Texts& into) const {
    if (!value.is_object()) return context.must_be("a table", value);
    Texts merged = into;
    for (const auto& item : value.items()) {
        if (item.value().is_object()) {
            // connector.comfyui = "debug" without quotes is a table in a table
            Json inner = Json::object();
            for (const auto& below : item.value().items())
                inner[item.key() + "." + below.key()] = below.value();
            if (Complaint wrong = read(inner, context, merged)) return wrong;
            continue;
        }
        const std::optional<std::string> text = scalar_text(item.value());
        if (!text) return ticked(item.key()) + " must be a string";
        if (LogLevel().read(*text, {}, merged[item.key()]))
            return ticked(item.key()) + " must be " + LogLevel().noun({});
    }
    into = std::move(merged);
    return {};
}

Complaint Codec<Json>::read(const Json& value, const Context& context, Json& into) const {
    if (!value.is_object()) return context.must_be(noun({}), value);
    if (!all_finite(value)) return "holds nan or inf, which cannot be sent to a connector";
    into.merge_patch(value);
    return {};
}

Json Codec<Json>::from_text(std::string_view text) const {
    Json parsed = Json::parse(text, nullptr, false);
    return parsed.is_discarded() ? Json(std::string(text)) : parsed;
}

}  // namespace emprops::settings
