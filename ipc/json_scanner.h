#pragma once
// The RFC 8259 grammar as a cursor over text: moves past values, checks syntax, UTF-8 and depth, builds
// nothing. Private to ipc/. A loop with an explicit stack of at most
// `max_depth` bytes: hostile nesting cannot overflow anything. Not thread-safe; lives for one text.

#include <cstddef>
#include <string>
#include <string_view>

namespace emprops::ipc {

class JsonScanner {
  public:
    JsonScanner(std::string_view text, int max_depth) : text_(text), max_depth_(max_depth) {}

    /// Moves past one value of any kind, which may begin with whitespace. `outer` is the number of containers
    /// that are already open around it. All functions that return bool: false = offset() and reason() say
    /// why.
    bool skip_value(int outer = 0);
    /// Moves past a string; the cursor must stand at its opening quote, else it is an error.
    bool skip_string();
    /// Moves past `name` and the colon after it; `name` receives the quoted text of the name.
    bool skip_name(std::string_view& name);
    void skip_space();

    bool at_end() const { return pos_ == text_.size(); }
    /// The byte under the cursor, or '\0' at the end of the text (a real NUL is a syntax error anyway).
    char peek() const { return at_end() ? '\0' : text_[pos_]; }
    bool take(char expected);

    bool fail(std::string reason);
    /// Appends to the reason of a failure where it happened.
    bool fail_within(std::string_view place);
    /// Fails with what stands under the cursor: "expected EXPECTED, found ...".
    bool unexpected(const char* expected);

    std::size_t offset() const { return pos_; }
    std::string_view slice(std::size_t from) const { return text_.substr(from, pos_ - from); }
    const std::string& reason() const { return reason_; }

  private:
    bool open_container(std::string& open, int outer, bool& next_value);
    bool after_value(std::string& open, bool& next_value);
    bool skip_scalar();
    bool skip_number();
    bool skip_literal(std::string_view literal);
    bool skip_digits();
    bool skip_escape();
    bool skip_utf8();

    std::string_view text_;
    int max_depth_;
    std::size_t pos_ = 0;
    std::string reason_;
};

}  // namespace emprops::ipc
