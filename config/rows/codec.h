#pragma once
// How a value of each type is spelled: read from TOML (as JSON) or from the text of a variable, written back, and
// named in the sentence of an error. One codec per spelling, for the worker, its services and the connectors alike;
// the spellings themselves are those of ipc/text/values.h. Pure functions, any thread, nothing throws.

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/text/values.h"

namespace emprops::settings {

using Json = nlohmann::json;
using Duration = std::chrono::milliseconds;
/// What is wrong with a value and what to write instead, without its subject: "must be true or false, not `maybe`".
/// Null: the value was taken.
using Complaint = std::optional<std::string>;

/// Of numbers; of a duration in seconds, of a size in bytes.
struct Range {
    double min = std::numeric_limits<double>::lowest();
    double max = std::numeric_limits<double>::max();
    bool operator==(const Range&) const = default;
};

/// What a codec knows of the row it works for.
struct Context {
    std::optional<Range> range;
    bool hidden = false;                          ///< the value never stands in a message
    const std::filesystem::path* base = nullptr;  ///< the folder from which a relative path is taken

    Complaint must_be(const std::string& what, const Json& value) const;
    /// What is wrong with a text of which a shell or a container tool should have made something else: `$NAME`, `~`.
    Complaint unexpanded(const std::string& text) const;
    bool in_range(double value) const { return !range || (value >= range->min && value <= range->max); }
    std::filesystem::path absolute(const std::string& text) const;
};

enum class Shape {
    value,    ///< replaced as a whole
    entries,  ///< a table of texts: what is read is merged into it, each entry may come from another place
    free,     ///< any table, merged
};

/// What most codecs have in common.
struct Codecs {
    static constexpr Shape shape = Shape::value;
    static constexpr bool takes_empty = false;  ///< an empty text is a value, not the lack of one
    /// The text of a variable as the JSON that the same value in TOML would be; what machines write around a value
    /// (text::bare) is no part of it.
    Json from_text(std::string_view text) const { return std::string(text::bare(text)); }
    /// The value as it would stand in TOML; null: an optional that is not set.
    template <class T>
    Json write(const T& value) const {
        return value;
    }
};

/// The codec of a type. A row names another one where a type has more than one spelling.
template <class T>
struct Codec;

template <>
struct Codec<bool> : Codecs {
    std::string noun(const std::optional<Range>&) const { return "true or false"; }
    Complaint read(const Json& value, const Context& context, bool& into) const;
};

struct TextCodec : Codecs {
    static constexpr bool takes_empty = true;
    std::string noun(const std::optional<Range>&) const { return "a text"; }
    Complaint read(const Json& value, const Context& context, std::string& into) const;
};
template <>
struct Codec<std::string> : TextCodec {};

/// One of a few words, in any case.
struct Choice : Codecs {
    std::vector<std::string> words;
    std::string noun(const std::optional<Range>&) const;  ///< "`disk` or `process`"
    Complaint read(const Json& value, const Context& context, std::string& into) const;
};
Choice one_of(std::vector<std::string> words);

/// The least level that is logged. Python's names (DEBUG, WARNING, CRITICAL) are understood.
struct LogLevel : Codecs {
    std::string noun(const std::optional<Range>&) const { return "trace, debug, info, warn or error"; }
    Complaint read(const Json& value, const Context& context, std::string& into) const;
};

/// "500ms", "10s", "5m", "1h", "7d", or a number of seconds.
template <>
struct Codec<Duration> : Codecs {
    std::string noun(const std::optional<Range>& range) const;
    Complaint read(const Json& value, const Context& context, Duration& into) const;
    Json write(Duration value) const;
};
/// The same, kept as a number of seconds.
struct Seconds : Codecs {
    std::string noun(const std::optional<Range>& range) const { return Codec<Duration>().noun(range); }
    Complaint read(const Json& value, const Context& context, double& into) const;
    Json write(double value) const;
};

/// "512KiB", "16MiB", "10MB", or a number of bytes.
struct Size : Codecs {
    std::string noun(const std::optional<Range>& range) const;
    Complaint read(const Json& value, const Context& context, std::uint64_t& into) const;
    Json write(std::uint64_t value) const;
};

template <>
struct Codec<double> : Codecs {
    std::string noun(const std::optional<Range>& range) const;
    Complaint read(const Json& value, const Context& context, double& into) const;
    Json from_text(std::string_view text) const;
};

/// A whole number between the two, or what is wrong.
Complaint read_integer(const Json& value, const Context& context, Range of_type, std::int64_t& into);
std::string integer_noun(const std::optional<Range>& range, Range of_type);
Json integer_from_text(std::string_view text);

template <std::integral T>
struct Codec<T> : Codecs {
    /// What JSON and a double hold exactly.
    static constexpr Range of_type = {std::max(-9007199254740992.0, double(std::numeric_limits<T>::min())),
                                      std::min(9007199254740992.0, double(std::numeric_limits<T>::max()))};
    std::string noun(const std::optional<Range>& range) const { return integer_noun(range, of_type); }
    Complaint read(const Json& value, const Context& context, T& into) const {
        std::int64_t number = 0;
        Complaint wrong = read_integer(value, context, of_type, number);
        if (!wrong) into = static_cast<T>(number);
        return wrong;
    }
    Json from_text(std::string_view text) const { return integer_from_text(text); }
};

/// As T; an empty text unsets it.
template <class T>
struct Codec<std::optional<T>> : Codecs {
    static constexpr bool takes_empty = true;
    std::string noun(const std::optional<Range>& range) const { return Codec<T>().noun(range); }
    Complaint read(const Json& value, const Context& context, std::optional<T>& into) const {
        if (value.is_string() &&
            value.get_ref<const std::string&>().find_first_not_of(" \t\n") == std::string::npos) {
            into.reset();
            return {};
        }
        T own{};
        Complaint wrong = Codec<T>().read(value, context, own);
        if (!wrong) into = std::move(own);
        return wrong;
    }
    Json from_text(std::string_view text) const { return Codec<T>().from_text(text); }
    Json write(const std::optional<T>& value) const { return value ? Codec<T>().write(*value) : Json(); }
};

/// A relative path is taken from the folder of its file.
template <>
struct Codec<std::filesystem::path> : Codecs {
    static constexpr bool takes_empty = true;
    std::string noun(const std::optional<Range>&) const { return "a path"; }
    Complaint read(const Json& value, const Context& context, std::filesystem::path& into) const;
    Json write(const std::filesystem::path& value) const { return value.string(); }
};

/// A list of texts; in a variable with commas between them.
struct Names : Codecs {
    std::vector<std::string> words;  ///< the only ones allowed, and at least one of them; empty: any
    std::string noun(const std::optional<Range>&) const;
    Complaint read(const Json& value, const Context& context, std::vector<std::string>& into) const;
    Json from_text(std::string_view text) const;
};
template <>
struct Codec<std::vector<std::string>> : Names {};
Names some_of(std::vector<std::string> words);

/// A program and its arguments: a list, or one text that is split as a shell would. A program with a `/` in its name
/// is taken from the folder of its file. What only a shell understands (`&&`, `cd`, `NAME=value program`) is refused.
struct Command : Codecs {
    std::string noun(const std::optional<Range>&) const { return "a program and its arguments"; }
    Complaint read(const Json& value, const Context& context, std::vector<std::string>& into) const;
    Json from_text(std::string_view text) const;
};

/// In VariablePatterns: all that stands in `.env`.
constexpr std::string_view whole_dotenv = ".env";

/// Names of variables, with `*` for any letters, and whole_dotenv. What fits any name is refused.
struct VariablePatterns : Names {
    std::string noun(const std::optional<Range>&) const {
        return "a list of names of variables, such as \"HF_*\"";
    }
    Complaint read(const Json& value, const Context& context, std::vector<std::string>& into) const;
};

/// A list of whole numbers; in a variable "0, 4-6".
template <>
struct Codec<std::vector<int>> : Codecs {
    std::string noun(const std::optional<Range>& range) const;
    Complaint read(const Json& value, const Context& context, std::vector<int>& into) const;
    Json from_text(std::string_view text) const;
};

/// A list of paths; in a variable with `:` between them.
template <>
struct Codec<std::vector<std::filesystem::path>> : Codecs {
    std::string noun(const std::optional<Range>&) const { return "a list of paths"; }
    Complaint read(const Json& value, const Context& context, std::vector<std::filesystem::path>& into) const;
    Json from_text(std::string_view text) const;
    Json write(const std::vector<std::filesystem::path>& value) const;
};

using Texts = std::map<std::string, std::string>;

/// A table of environment variables; in a variable "A=b,C=d". Numbers and booleans may stand unquoted.
template <>
struct Codec<Texts> : Codecs {
    static constexpr Shape shape = Shape::entries;
    std::string noun(const std::optional<Range>&) const { return "a table"; }
    Complaint read(const Json& value, const Context& context, Texts& into) const;
    Json from_text(std::string_view text) const;
};
/// A table of log levels by component; in a variable "hub=debug,jobs=info".
struct LogLevels : Codec<Texts> {
    std::string noun(const std::optional<Range>&) const { return "a table of levels"; }
    Complaint read(const Json& value, const Context& context, Texts& into) const;
};

/// HTTP headers; in a variable or a file their JSON, or lines "Name: value".
struct Headers : Codec<Texts> {
    std::string noun(const std::optional<Range>&) const { return "a table of header names and values"; }
    Complaint read(const Json& value, const Context& context, Texts& into) const;
    Json from_text(std::string_view text) const;
};

/// Any table; in a variable its JSON.
template <>
struct Codec<Json> : Codecs {
    static constexpr Shape shape = Shape::free;
    std::string noun(const std::optional<Range>&) const { return "a table"; }
    Complaint read(const Json& value, const Context& context, Json& into) const;
    Json from_text(std::string_view text) const;
};

/// As it stands in a message: "`text`", the first 60 bytes of it.
std::string ticked(std::string_view text);

/// Null if the value can travel to a connector at all: not nested too deep, no NUL in a text.
Complaint unfit(const Json& value);

}  // namespace emprops::settings
