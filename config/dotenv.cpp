#include "config/dotenv.h"

#include <cctype>
#include <map>

#include "ipc/text/values.h"

namespace emprops::config {

namespace {

bool is_name_start(char c) {
    return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_';
}
bool is_name(char c) {
    return is_name_start(c) || std::isdigit(static_cast<unsigned char>(c)) != 0;
}
bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

bool is_space(char c) {
    return is_blank(c) || c == '\n';
}

class Parser {
  public:
    Parser(std::string_view text, const std::function<std::optional<std::string>(const std::string&)>& known)
        : text_(text), known_(known) {
        if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);
    }

    Dotenv run() {
        while (at_ < text_.size())
            statement();
        return std::move(result_);
    }

  private:
    bool done() const { return at_ >= text_.size(); }
    char peek() const { return done() ? '\n' : text_[at_]; }
    char take() {
        const char c = text_[at_++];
        if (c == '\n') ++line_;
        return c;
    }
    void skip_blanks() {
        while (!done() && is_blank(peek()))
            take();
    }
    void skip_line() {
        while (!done() && peek() != '\n')
            take();
        if (!done()) take();
    }
    void fail(int line, const std::string& name, const std::string& message) {
        result_.problems.push_back({line, name, message, false});
        skip_line();
    }

    void statement() {
        skip_blanks();
        if (peek() == '\n' || peek() == '#') return skip_line();
        const int line = line_;
        std::string name = word();
        if (name == "export" && is_blank(peek())) {
            skip_blanks();
            name = word();
        }
        const bool odd = name.empty() || !is_name_start(name.front()) || (peek() != '=' && !is_space(peek()));
        if (odd && (peek() != ':' || name.empty()))
            return fail(line, name, "is not NAME=value; names consist of letters, digits and _");
        skip_blanks();
        if (done() || peek() != '=') {
            const bool colon = peek() == ':';
            return fail(line, name,
                        "`" + name + "` has " +
                            (colon ? "a `:` in place of its `=`"
                                   : "no `=`; write `" + name + "=` for an empty value"));
        }
        take();
        skip_blanks();
        std::optional<std::string> value;
        if (peek() == '\'' || peek() == '"') {
            value = quoted(name, line);
            if (!value) return;
        } else {
            value = unquoted(name, line);
        }
        if (value->find('\0') != std::string::npos)
            return fail(line, name, "`" + name + "` contains a NUL character");
        above_[name] = *value;
        result_.variables.push_back({name, *value, line});
        skip_line();
    }

    std::string word() {
        std::string name;
        while (!done() && is_name(peek()))
            name += take();
        return name;
    }

    std::string unquoted(const std::string& name, int line) {
        std::string value;
        while (!done() && peek() != '\n') {
            const bool after_space = value.empty() || is_blank(value.back());
            // `KEY=#x` without a space is a value, as in python-dotenv; `KEY= # note` is empty.
            if (peek() == '#' && after_space && !(value.empty() && text_[at_ - 1] == '=')) break;
            value += take();
        }
        while (!value.empty() && is_blank(value.back()))
            value.pop_back();
        return expand(value, name, line);
    }

    /// The value between quotes; null (and the problem noted) if they are not closed or text follows.
    std::optional<std::string> quoted(const std::string& name, int line) {
        const std::size_t start = at_;
        const int start_line = line_;
        const char quote = take();
        std::string value;    // done
        std::string pending;  // may still hold ${...}: escaped characters must not become part of one
        while (true) {
            if (done()) {
                at_ = start;  // only this line is lost: what follows it is still looked at
                line_ = start_line;
                fail(line, name, "`" + name + "` has a " + quote + " that is not closed");
                return {};
            }
            const char c = take();
            if (c == quote) break;
            if (c == '\\' && !done()) {
                if (const std::optional<char> escaped = escape(quote, peek())) {
                    take();
                    value += expand(pending, name, line) + *escaped;
                    pending.clear();
                    continue;
                }
            }
            (quote == '"' ? pending : value) += c;
        }
        value += expand(pending, name, line);
        skip_blanks();
        if (!done() && peek() != '\n' && peek() != '#') {
            fail(line, name, "`" + name + "` has text after its closing " + quote);
            return {};
        }
        return value;
    }

    static std::optional<char> escape(char quote, char c) {
        if (c == '\\' || c == '\'') return c;
        if (quote == '\'') return {};
        switch (c) {
            case '"':
                return '"';
            case 'a':
                return '\a';
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'v':
                return '\v';
            default:
                return {};  // as in python-dotenv the backslash stays
        }
    }

    /// Replaces ${X} and ${X:-default}; anything else with a $ stays as it is.
    std::string expand(const std::string& text, const std::string& name, int line) {
        std::string result;
        std::size_t at = 0;
        while (true) {
            const std::size_t begin = text.find("${", at);
            const std::size_t end = begin == std::string::npos ? begin : text.find('}', begin);
            if (end == std::string::npos) return result + text.substr(at);
            result += text.substr(at, begin - at);
            at = end + 1;
            const std::string inside = text.substr(begin + 2, end - begin - 2);
            const std::size_t split = inside.find(":-");
            const std::string variable = inside.substr(0, split);
            std::optional<std::string> value = known_(variable);
            if (!value && above_.count(variable) != 0) value = above_[variable];
            if (!value && split != std::string::npos) value = inside.substr(split + 2);
            if (!value) {
                result_.problems.push_back(
                    {line, name, "`" + name + "` uses ${" + variable + "}, which is not set; taken as empty",
                     true});
            }
            result += value.value_or("");
        }
    }

    std::string_view text_;
    const std::function<std::optional<std::string>(const std::string&)>& known_;
    std::size_t at_ = 0;
    int line_ = 1;
    std::map<std::string, std::string> above_;
    Dotenv result_;
};

}  // namespace

Dotenv parse_dotenv(std::string_view text,
                    const std::function<std::optional<std::string>(const std::string&)>& known) {
    return Parser(text, known).run();
}

}  // namespace emprops::config
