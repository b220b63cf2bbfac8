#include "config/rows/codec.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "config/rows/toml_text.h"
#include "ipc/json_text.h"
#include "ipc/text/people.h"
#include "ipc/text/values.h"

namespace emprops::settings {

namespace {

constexpr int max_depth = 32;  // of settings, which people write by hand

/// "`a`, `b` or `c`"
std::string alternatives(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : word == words.back() ? " or " : ", ") + ticked(word);
    return text;
}

std::string shown_seconds(double seconds) {
    return human_duration(Duration(std::llround(seconds * 1000)));
}
std::string shown_bytes(double bytes) {
    return human_bytes(static_cast<std::uint64_t>(bytes));
}

/// "from 1 s to 45 s", "from 1 s up"
std::string between(Range range, std::string (*shown)(double)) {
    return "from " + shown(range.min) + (range.max == Range().max ? " up" : " to " + shown(range.max));
}

std::string with_range(const std::string& noun, const std::optional<Range>& range,
                       std::string (*shown)(double)) {
    return noun + (range ? " " + between(*range, shown) : "");
}

template <class Number>
std::string with_unit(Number value, std::span<const std::pair<Number, std::string_view>> units) {
    for (const auto& [size, name] : units) {
        if (value != 0 && value % size == 0) return std::to_string(value / size) + std::string(name);
    }
    return std::to_string(value) + std::string(units.back().second);
}

std::optional<std::string> level_name(std::string_view text) {
    const std::string name = text::lower(text::trim(text));
    if (name == "warning") return "warn";
    if (name == "critical" || name == "fatal") return "error";
    if (name == "notset") return "trace";
    for (const char* known : {"trace", "debug", "info", "warn", "error"}) {
        if (name == known) return name;
    }
    return {};
}

int depth_of(const Json& value, int at_most) {
    if (!value.is_structured()) return 0;
    if (at_most == 0) return 1;
    int deepest = 0;
    for (const auto& item : value.items())
        deepest = std::max(deepest, depth_of(item.value(), at_most - 1));
    return deepest + 1;
}

bool holds_nul(const Json& value) {
    if (value.is_string()) return value.get_ref<const std::string&>().find('\0') != std::string::npos;
    if (!value.is_structured()) return false;
    return std::any_of(value.begin(), value.end(), [](const Json& item) { return holds_nul(item); });
}

}  // namespace

std::string ticked(std::string_view text) {
    constexpr std::size_t shown = 60;
    return "`" + std::string(text.substr(0, shown)) + (text.size() > shown ? "…`" : "`");
}

Complaint Context::must_be(const std::string& what, const Json& value) const {
    const std::string shown = hidden              ? "this value"
                              : value.is_string() ? ticked(value.get_ref<const std::string&>())
                                                  : ticked(ipc::dump(value));
    const bool unset =
        !hidden && value.is_string() && !text::unexpanded(value.get_ref<const std::string&>()).empty();
    return "must be " + what + ", not " + shown +
           (unset ? "; nobody has expanded that: only .env files know ${NAME}" : "");
}

Complaint Context::unexpanded(const std::string& text) const {
    const std::string_view found = text::unexpanded(text);
    // A secret may hold a `$`, and never stands in a message.
    if (!found.empty() && !hidden)
        return "holds " + ticked(found) +
               ", which nobody has expanded: write the value itself, or put it into .env, where ${NAME} is";
    if (!found.empty() && found.starts_with("${"))
        return "holds a ${NAME} that nobody has expanded: write the value itself, or put it into .env, where ${NAME} is";
    if (!hidden && (text == "~" || text.starts_with("~/")))
        return "begins with `~`, which only a shell makes a home folder of: write the whole path, not " +
               ticked(text);
    return {};
}

std::filesystem::path Context::absolute(const std::string& text) const {
    const std::filesystem::path path(text);
    if (text.empty() || path.is_absolute() || base == nullptr) return path;
    return (*base / path).lexically_normal();
}

Complaint Codec<bool>::read(const Json& value, const Context& context, bool& into) const {
    std::optional<bool> parsed;
    if (value.is_boolean()) parsed = value.get<bool>();
    if (value.is_string()) parsed = text::parse_bool(value.get_ref<const std::string&>());
    if (!parsed) return context.must_be(noun({}), value);
    into = *parsed;
    return {};
}

Complaint TextCodec::read(const Json& value, const Context& context, std::string& into) const {
    if (!value.is_string()) return context.must_be("a string (in quotes)", value);
    if (Complaint wrong = context.unexpanded(value.get_ref<const std::string&>())) return wrong;
    into = value.get<std::string>();
    return {};
}

Choice one_of(std::vector<std::string> words) {
    Choice choice;
    choice.words = std::move(words);
    return choice;
}

std::string Choice::noun(const std::optional<Range>&) const {
    return alternatives(words);
}

Complaint Choice::read(const Json& value, const Context& context, std::string& into) const {
    if (!value.is_string()) return context.must_be("a string (in quotes)", value);
    const auto known =
        std::find(words.begin(), words.end(), text::lower(text::trim(value.get_ref<const std::string&>())));
    if (known == words.end()) return context.must_be(noun({}), value);
    into = *known;
    return {};
}

Complaint LogLevel::read(const Json& value, const Context& context, std::string& into) const {
    if (!value.is_string()) return context.must_be("a string (in quotes)", value);
    const std::optional<std::string> level = level_name(value.get_ref<const std::string&>());
    if (!level) return context.must_be(noun({}), value);
    into = *level;
    return {};
}

std::string Codec<Duration>::noun(const std::optional<Range>& range) const {
    return with_range("a time", range, shown_seconds);
}

Complaint Codec<Duration>::read(const Json& value, const Context& context, Duration& into) const {
    std::optional<Duration> parsed;
    if (value.is_string()) parsed = text::parse_duration(value.get_ref<const std::string&>());
    if (value.is_number()) {
        const double seconds = value.get<double>();
        if (seconds >= 0 && seconds <= text::max_duration_s) parsed = Duration(std::llround(seconds * 1000));
    }
    if (!parsed) {
        return context.must_be("a time such as \"500ms\", \"10s\", \"5m\", \"1h\" or a number of seconds",
                               value);
    }
    if (!context.in_range(static_cast<double>(parsed->count()) / 1000.0)) {
        return context.must_be(between(*context.range, shown_seconds), value);
    }
    into = *parsed;
    return {};
}

Json Codec<Duration>::write(Duration value) const {
    static constexpr std::array<std::pair<std::int64_t, std::string_view>, 5> units = {
        {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}}};
    return value.count() == 0 ? "0s" : with_unit<std::int64_t>(value.count(), units);
}

Json Seconds::write(double value) const {
    const Duration rounded(std::llround(value * 1000));
    const bool exact = static_cast<double>(rounded.count()) / 1000 == value;
    return exact ? Codec<Duration>().write(rounded) : Json(value);
}

Complaint Seconds::read(const Json& value, const Context& context, double& into) const {
    std::optional<double> seconds;
    if (value.is_number()) seconds = value.get<double>();
    if (value.is_string()) seconds = text::parse_double(text::trim(value.get_ref<const std::string&>()));
    if (!seconds) {
        Duration parsed{};
        if (Complaint wrong = Codec<Duration>().read(value, context, parsed)) return wrong;
        seconds = static_cast<double>(parsed.count()) / 1000.0;
    }
    if (!std::isfinite(*seconds) || *seconds < 0 || !context.in_range(*seconds)) {
        return context.must_be(noun(context.range), value);
    }
    into = *seconds;
    return {};
}

std::string Size::noun(const std::optional<Range>& range) const {
    return with_range("a size", range, shown_bytes);
}

Complaint Size::read(const Json& value, const Context& context, std::uint64_t& into) const {
    std::optional<std::uint64_t> parsed;
    if (value.is_string()) parsed = text::parse_bytes(value.get_ref<const std::string&>());
    if (value.is_number_integer() && value.get<double>() >= 0) parsed = value.get<std::uint64_t>();
    if (!parsed) {
        return context.must_be("a size such as \"512KiB\", \"16MiB\", \"10MB\" or a number of bytes", value);
    }
    if (!context.in_range(static_cast<double>(*parsed))) {
        return context.must_be(between(*context.range, shown_bytes), value);
    }
    into = *parsed;
    return {};
}

Json Size::write(std::uint64_t value) const {
    static constexpr std::array<std::pair<std::uint64_t, std::string_view>, 4> units = {
        {{1u << 30, "GiB"}, {1u << 20, "MiB"}, {1u << 10, "KiB"}, {1, "B"}}};
    return value == 0 ? Json(0) : Json(with_unit<std::uint64_t>(value, units));
}

std::string Codec<double>::noun(const std::optional<Range>& range) const {
    return with_range("a number", range, plain);
}

Complaint Codec<double>::read(const Json& value, const Context& context, double& into) const {
    if (!value.is_number() || !std::isfinite(value.get<double>()) || !context.in_range(value.get<double>())) {
        return context.must_be(noun(context.range), value);
    }
    into = value.get<double>();
    return {};
}

Json Codec<double>::from_text(std::string_view text) const {
    text = text::bare(text);
    const auto number = text::parse_double(text);
    return number ? Json(*number) : Json(std::string(text));
}

std::string integer_noun(const std::optional<Range>& range, Range of_type) {
    if (range || of_type.min < -1e15) return with_range("a whole number", range, plain);
    return "a whole number from " + plain(of_type.min) +
           (of_type.max < 1e15 ? " to " + plain(of_type.max) : " up");
}

std::string Codec<std::vector<int>>::noun(const std::optional<Range>& range) const {
    return with_range("a list of whole numbers", range, plain);
}

Complaint read_integer(const Json& value, const Context& context, Range of_type, std::int64_t& into) {
    const Range allowed = context.range ? Range{std::max(context.range->min, of_type.min),
                                                std::min(context.range->max, of_type.max)}
                                        : of_type;
    if (!value.is_number_integer() || value.get<double>() < allowed.min ||
        value.get<double>() > allowed.max) {
        return context.must_be(integer_noun(context.range, of_type), value);
    }
    into = value.get<std::int64_t>();
    return {};
}

Json integer_from_text(std::string_view text) {
    text = text::bare(text);
    const auto number = text::parse_integer(text);
    return number ? Json(*number) : Json(std::string(text));
}

Complaint Codec<std::filesystem::path>::read(const Json& value, const Context& context,
                                             std::filesystem::path& into) const {
    if (!value.is_string()) return context.must_be("a path (in quotes)", value);
    if (Complaint wrong = context.unexpanded(value.get_ref<const std::string&>())) return wrong;
    into = context.absolute(value.get<std::string>());
    return {};
}

Complaint unfit(const Json& value) {
    if (depth_of(value, max_depth) > max_depth) {
        return "is nested deeper than " + std::to_string(max_depth) + " levels";
    }
    if (holds_nul(value)) return "contains a NUL character";
    return {};
}

}  // namespace emprops::settings
