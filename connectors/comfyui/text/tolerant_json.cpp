#include "connectors/comfyui/text/tolerant_json.h"

#include <algorithm>
#include <cstdint>

namespace emprops::comfyui {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

/// Length of the valid UTF-8 sequence at `at`, 0 if there is none.
std::size_t utf8_length(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) -> unsigned {
        return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
    };
    const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
    if (first >= 0xE0 && first <= 0xEF) {
        if (!tail(1) || !tail(2)) return 0;
        if (first == 0xE0 && byte(1) < 0xA0) return 0;
        if (first == 0xED && byte(1) > 0x9F) return 0;  // a surrogate
        return 3;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        if (!tail(1) || !tail(2) || !tail(3)) return 0;
        if (first == 0xF0 && byte(1) < 0x90) return 0;
        if (first == 0xF4 && byte(1) > 0x8F) return 0;
        return 4;
    }
    return 0;
}

/// The value of "\uXXXX" at `at`, -1 if none stands there.
int unicode_escape(std::string_view text, std::size_t at) {
    if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return -1;
    int value = 0;
    for (std::size_t i = at + 2; i < at + 6; ++i) {
        const char c = text[i];
        int digit = 0;
        if (c >= '0' && c <= '9') {
            digit = c - '0';
        } else if (c >= 'a' && c <= 'f') {
            digit = c - 'a' + 10;
        } else if (c >= 'A' && c <= 'F') {
            digit = c - 'A' + 10;
        } else {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

class Pass {
  public:
    Pass(std::string_view text, Repairs& repairs, int max_depth)
        : text_(text), repairs_(repairs), max_depth_(max_depth) {}

    std::string run() {
        out_.reserve(text_.size());
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '"') {
                string();
            } else if (c == '{' || c == '[') {
                if (depth_ == max_depth_) {
                    skip_value();
                    emit("null");
                    ++repairs_.too_deep;
                } else {
                    ++depth_;
                    copy(1);
                }
            } else if (c == '}' || c == ']') {
                --depth_;
                copy(1);
            } else if (!word("NaN") && !word("-Infinity") && !word("Infinity")) {
                copy(1);
            }
        }
        return std::move(out_);
    }

  private:
    void emit(std::string_view piece) {
        if (!silent_) out_ += piece;
    }
    void copy(std::size_t count) {
        emit(text_.substr(at_, count));
        at_ += count;
    }

    bool word(std::string_view wanted) {
        if (text_.substr(at_, wanted.size()) != wanted) return false;
        at_ += wanted.size();
        emit("null");
        if (!silent_) ++repairs_.not_finite;
        return true;
    }

    void replace() {
        emit(replacement);
        if (!silent_) ++repairs_.lone_surrogates;
    }

    void string() {
        copy(1);
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '"') {
                copy(1);
                return;
            }
            if (c == '\\') {
                escape();
            } else if (const std::size_t length = utf8_length(text_, at_); length > 0) {
                copy(length);
            } else {
                replace();
                ++at_;
            }
        }
    }

    void escape() {
        const int unit = unicode_escape(text_, at_);
        if (unit < 0xD800 || unit > 0xDFFF) {
            copy(std::min<std::size_t>(unit < 0 ? 2 : 6, text_.size() - at_));
            return;
        }
        const int next = unit < 0xDC00 ? unicode_escape(text_, at_ + 6) : -1;
        if (next >= 0xDC00 && next <= 0xDFFF) {
            copy(12);
        } else {
            replace();
            at_ += 6;
        }
    }

    /// Passes over the array or object that begins here without writing it.
    void skip_value() {
        silent_ = true;
        int open = 0;
        do {
            const char c = text_[at_];
            if (c == '"') {
                string();
                continue;
            }
            if (c == '{' || c == '[') ++open;
            if (c == '}' || c == ']') --open;
            ++at_;
        } while (open > 0 && at_ < text_.size());
        silent_ = false;
    }

    std::string_view text_;
    Repairs& repairs_;
    int max_depth_;
    std::string out_;
    std::size_t at_ = 0;
    int depth_ = 0;
    bool silent_ = false;
};

}  // namespace

std::string make_strict(std::string_view text, Repairs& repairs, int max_depth) {
    return Pass(text, repairs, max_depth).run();
}

std::optional<Json> parse_tolerant(std::string_view text, Repairs* repairs) {
    Repairs own;
    Repairs& noted = repairs != nullptr ? *repairs : own;
    Json value = Json::parse(make_strict(text, noted), nullptr, false);
    if (value.is_discarded()) return {};
    return value;
}

std::string text_of(const Json& object, const char* key) {
    if (!object.is_object()) return {};
    const auto at = object.find(key);
    if (at == object.end() || at->is_null()) return {};
    return at->is_string() ? at->get<std::string>() : dump(*at);
}

}  // namespace emprops::comfyui
