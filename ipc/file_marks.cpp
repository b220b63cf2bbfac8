#include "ipc/file_marks.h"

#include <charconv>
#include <limits>
#include <optional>
#include <system_error>

#include "ipc/json_scanner.h"
#include "ipc/json_string.h"
#include "ipc/messages.h"

namespace emprops::ipc {
namespace {

constexpr std::string_view mark_member = "$file";
/// A name whose every letter is written as \uXXXX, with its quotes.
constexpr std::size_t max_quoted_bytes = mark_member.size() * 6 + 2;

/// "0", "17": nothing else is a mark's number.
std::optional<std::uint64_t> plain_number(std::string_view text) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (stop != end || text.empty()) return std::nullopt;
    if (error == std::errc::result_out_of_range) return std::numeric_limits<std::uint64_t>::max();
    return error == std::errc{} ? std::optional(number) : std::nullopt;
}

/// Walks over a text that is good JSON with the containers that are open on a stack of its own.
class Walk {
  public:
    explicit Walk(std::string_view text) : scanner_(text, std::numeric_limits<int>::max()) {}

    std::vector<FileMark> marks() {
        std::vector<FileMark> found;
        while (to_value()) {
            const char c = scanner_.peek();
            if (const auto mark = c == '{' ? mark_here() : std::nullopt) {
                found.push_back(*mark);
            } else if (c == '{' || c == '[') {
                scanner_.take(c);
                open_.push_back(c);
                fresh_ = true;
            } else if (!scanner_.skip_value()) {
                break;
            }
        }
        return found;
    }

  private:
    /// Moves to the next value, past what closes and separates; false: the text has ended, or is no good JSON.
    bool to_value() {
        while (true) {
            scanner_.skip_space();
            if (open_.empty()) {
                const bool first = !started_;
                started_ = true;
                return first;
            }
            const bool object = open_.back() == '{';
            if (scanner_.take(object ? '}' : ']')) {
                open_.pop_back();
                fresh_ = false;
                continue;
            }
            if (!fresh_ && !scanner_.take(',')) return false;
            fresh_ = false;
            scanner_.skip_space();
            std::string_view name;
            if (object && !scanner_.skip_name(name)) return false;
            scanner_.skip_space();
            return true;
        }
    }

    /// The mark under the cursor, which moves past it.
    std::optional<FileMark> mark_here() {
        JsonScanner ahead = scanner_;
        ahead.take('{');
        ahead.skip_space();
        std::string_view name;
        if (!ahead.skip_name(name) || name.size() > max_quoted_bytes || unescaped(name) != mark_member)
            return std::nullopt;
        ahead.skip_space();
        if (ahead.peek() < '0' || ahead.peek() > '9') return std::nullopt;
        const std::size_t value_at = ahead.offset();
        if (!ahead.skip_value()) return std::nullopt;
        const auto number = plain_number(ahead.slice(value_at));
        ahead.skip_space();
        if (!number || !ahead.take('}')) return std::nullopt;
        const std::size_t at = scanner_.offset();
        scanner_ = ahead;
        return FileMark{at, scanner_.offset() - at, *number, static_cast<int>(open_.size())};
    }

    JsonScanner scanner_;
    std::string open_;      // one '{' or '[' for each container that is open
    bool fresh_ = false;    // nothing has been read of the innermost
    bool started_ = false;  // with the outermost value
};

std::string mark_of(std::uint64_t file) {
    return "{\"$file\": " + std::to_string(file) + "}";
}

std::string place_of(std::uint64_t file) {
    return "files[" + std::to_string(file) + "]";
}

}  // namespace

std::vector<FileMark> find_file_marks(std::string_view result) {
    // Most results hold none, and some hold megabytes of base64. In JSON "$" may be written as an escape.
    if (result.find(mark_member) == std::string_view::npos && result.find("\\u") == std::string_view::npos)
        return {};
    return Walk(result).marks();
}

Result<> check_file_marks(std::string_view result, std::size_t files) {
    if (files == 0) return Ok{};
    std::vector<bool> mentioned(files, false);
    for (const FileMark& mark : find_file_marks(result)) {
        if (mark.file >= files) {
            return Error{code::protocol_error, "the result mentions " + mark_of(mark.file) +
                                                   ", and `files` has " + std::to_string(files) +
                                                   (files == 1 ? " entry" : " entries") + ", counted from 0"};
        }
        if (mark.depth >= max_mark_depth) {
            return Error{code::protocol_error, "the result mentions " + mark_of(mark.file) +
                                                   " nested deeper than " + std::to_string(max_mark_depth) +
                                                   " levels, where no entry fits"};
        }
        mentioned[static_cast<std::size_t>(mark.file)] = true;
    }
    for (std::size_t n = 0; n < files; ++n) {
        if (mentioned[n]) continue;
        return Error{code::protocol_error, place_of(n) + " is never mentioned in the result: write " +
                                               mark_of(n) +
                                               " where its entry belongs, for example \"result\": "
                                               "{\"output\": " +
                                               mark_of(n) + "}"};
    }
    return Ok{};
}

std::string fill_file_marks(std::string_view result, const std::vector<std::string>& entries) {
    std::string filled;
    std::size_t done = 0;
    for (const FileMark& mark : find_file_marks(result)) {
        if (mark.file >= entries.size()) continue;
        filled.append(result, done, mark.at - done);
        filled += entries[static_cast<std::size_t>(mark.file)];
        done = mark.at + mark.bytes;
    }
    filled.append(result, done, std::string_view::npos);
    return filled;
}

}  // namespace emprops::ipc
