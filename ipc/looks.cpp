#include "ipc/looks.h"

#include <nlohmann/json.hpp>

namespace emprops::ipc {
namespace {

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_quote(char c) {
    return c == '"' || c == '\'' || c == '`';
}

/// A cursor that takes everything for the best.
class Guess {
  public:
    explicit Guess(std::string_view text) : text_(text) {}

    Looks read() {
        Looks looks;
        at_ = text_.find('{');
        if (at_ == std::string_view::npos) return looks;
        ++at_;
        while (!at_end() && text_[at_] != '}') {
            read_member(looks);
            if (!at_end() && text_[at_] == ',') ++at_;
        }
        return looks;
    }

  private:
    void read_member(Looks& looks) {
        skip_space();
        std::optional<std::string> name;
        if (!at_end() && is_quote(text_[at_])) {
            name = quoted();
        } else {
            const std::size_t from = at_;
            while (!at_end() && is_word(text_[at_]))
                ++at_;
            name = std::string(text_.substr(from, at_ - from));
        }
        skip_space();
        if (at_end() || text_[at_] != ':') return skip_value();
        ++at_;
        skip_space();
        if (name == "result") looks.result = true;
        if (!at_end() && is_quote(text_[at_])) {
            const auto value = quoted();
            if (name == "type" && !looks.type) looks.type = value;
            if (name == "job_id" && !looks.job_id) looks.job_id = value;
        }
        skip_value();
    }

    /// To the comma or the brace that ends the member.
    void skip_value() {
        int depth = 0;
        while (!at_end()) {
            const char c = text_[at_];
            if (is_quote(c)) {
                quoted();
                continue;
            }
            if (depth == 0 && (c == ',' || c == '}')) return;
            if (c == '{' || c == '[' || c == '(') ++depth;
            if ((c == '}' || c == ']' || c == ')') && depth > 0) --depth;
            ++at_;
        }
    }

    /// The text in quotes under the cursor; nothing, and the end, if they are not closed.
    std::optional<std::string> quoted() {
        const std::size_t from = at_;
        const char quote = text_[at_];
        bool escapes = false;
        for (++at_; !at_end() && text_[at_] != quote; ++at_) {
            if (text_[at_] != '\\') continue;
            escapes = true;
            ++at_;
        }
        if (at_end()) {
            at_ = text_.size();
            return std::nullopt;
        }
        ++at_;
        const std::string_view whole = text_.substr(from, at_ - from);
        if (escapes && quote == '"') {
            const auto value = nlohmann::json::parse(whole, nullptr, false);
            if (value.is_string()) return value.get<std::string>();
        }
        return std::string(whole.substr(1, whole.size() - 2));
    }

    void skip_space() {
        while (!at_end() && is_space(text_[at_]))
            ++at_;
    }

    bool at_end() const { return at_ >= text_.size(); }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace

Looks looks_of(std::string_view text) {
    return Guess(text).read();
}

}  // namespace emprops::ipc
