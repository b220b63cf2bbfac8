#pragma once
// The spellings of values in text: numbers with units, booleans, lists, command lines. Pure functions, any
// thread; null means "not one of these".

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emprops::text {

/// The longest time that is understood: 100 years.
inline constexpr double max_duration_s = 100.0 * 366 * 24 * 3600;

/// "1.5s", "500ms", "5m", "1h", "7d", "20" (seconds).
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
/// "16MiB", "512KiB", "10MB", "1024" (bytes); up to 2^53.
std::optional<std::uint64_t> parse_bytes(std::string_view text);
/// true/1/yes/on and false/0/no/off in any case; empty is false, as the Python worker had it.
std::optional<bool> parse_bool(std::string_view text);
std::optional<std::int64_t> parse_integer(std::string_view text);
/// A finite decimal number.
std::optional<double> parse_double(std::string_view text);

/// Comma list: spaces trimmed, empty items dropped.
std::vector<std::string> split_list(std::string_view text, char separator = ',');
bool has_item(const std::vector<std::string>& list, std::string_view item);
/// A command line as a shell would split it: spaces, single and double quotes, backslash. Nothing is
/// expanded. Null if a quote is not closed.
std::optional<std::vector<std::string>> split_words(std::string_view text);

std::string_view trim(std::string_view text);
/// Without what machines and editors leave around a value: blanks of every kind, line ends, a byte order mark, and then
/// one pair of quotes around all of it (env files of container tools keep them).
std::string_view bare(std::string_view text);
/// What stands in a value because nobody has expanded it: "${HOST}" anywhere, "$HOST" as the whole or as a part between
/// `/`, `:`, `=` and `@`, "%HOST%" as the whole. Capital letters only; $ORIGIN is the loader's. Empty: nothing does.
std::string_view unexpanded(std::string_view text);
/// ASCII only.
std::string lower(std::string_view text);
/// "a.b" of "a.b.png"; a name that begins with its only dot has no extension.
std::string_view stem_of(std::string_view filename);
/// With `by` in the place of each `mark`, which is not empty; what `by` says is not looked at again.
std::string replaced(std::string text, std::string_view mark, std::string_view by);

}  // namespace emprops::text
