#include "ipc/envelope.h"

#include <algorithm>

#include "ipc/json_scanner.h"
#include "ipc/json_string.h"

namespace emprops::ipc {
namespace {

using nlohmann::json;

/// `text` (valid JSON) with lone surrogate escapes turned into U+FFFD: JSON allows them, no decoder can hold
/// them.
std::string without_lone_surrogates(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        std::size_t length = text[i] == '\\' ? 2 : 1;
        std::string_view piece;
        const int unit = unit_at(text, i);
        if (unit >= 0) {
            const int next = unit_at(text, i + 6);
            const bool high = unit >= 0xd800 && unit <= 0xdbff;
            const bool low = unit >= 0xdc00 && unit <= 0xdfff;
            const bool paired = high && next >= 0xdc00 && next <= 0xdfff;
            length = paired ? 12 : 6;
            if (low || (high && !paired)) piece = "\\ufffd";
        }
        out += piece.empty() ? text.substr(i, length) : piece;
        i += length;
    }
    return out;
}

/// DOM of a scanned value; discarded only for a number that no double can hold.
json to_dom(std::string_view value) {
    if (value.front() == '"') return unescaped(value);
    if (value.find("\\ud") == std::string_view::npos && value.find("\\uD") == std::string_view::npos) {
        return json::parse(value.begin(), value.end(), nullptr, false);
    }
    return json::parse(without_lone_surrogates(value), nullptr, false);
}

/// Whether this quoted name is `key`. A name can be huge; only one that could match is unescaped (an escape makes it
/// at most six times longer).
bool names(std::string_view quoted, std::string_view key) {
    return quoted.size() <= key.size() * 6 + 2 && unescaped(quoted) == key;
}

/// Reads the members of one object into an envelope. One instance per text.
class EnvelopeReader {
  public:
    EnvelopeReader(std::string_view text, std::initializer_list<std::string_view> opaque_keys,
                   const ScanLimits& limits)
        : scanner_(text, limits.max_depth), opaque_keys_(opaque_keys), limits_(limits) {}

    ScanOutcome read() {
        ScanOutcome outcome;
        if (read_object()) {
            outcome.envelope = std::move(envelope_);
            return outcome;
        }
        outcome.error.offset = offset_.value_or(scanner_.offset());
        outcome.error.reason = scanner_.reason();
        outcome.error.job_id = text_field("job_id");
        outcome.error.type = text_field("type");
        return outcome;
    }

  private:
    bool read_object() {
        scanner_.skip_space();
        if (!scanner_.take('{')) return scanner_.unexpected("'{'");
        scanner_.skip_space();
        if (!scanner_.take('}')) {
            do {
                if (!read_member()) return false;
                scanner_.skip_space();
            } while (scanner_.take(','));
            if (!scanner_.take('}')) return scanner_.unexpected("',' or '}'");
        }
        scanner_.skip_space();
        return scanner_.at_end() || scanner_.unexpected("the end of the text");
    }

    bool read_member() {
        scanner_.skip_space();
        const std::size_t name_at = scanner_.offset();
        std::string_view name;
        if (!scanner_.skip_name(name)) return false;
        scanner_.skip_space();
        const std::size_t value_at = scanner_.offset();
        if (!scanner_.skip_value(1)) return scanner_.fail_within(name.size() <= 64 ? name : "a member");
        const std::string_view value = scanner_.slice(value_at);
        if (is_opaque(name)) {
            keep_opaque(unescaped(name), value);
            return true;
        }
        fields_bytes_ += scanner_.offset() - name_at;
        if (fields_bytes_ > limits_.max_fields_bytes) {
            offset_ = value_at;
            return scanner_.fail("the members beside the payload are larger than " +
                                 std::to_string(limits_.max_fields_bytes) + " bytes");
        }
        json dom = to_dom(value);
        if (dom.is_discarded()) {
            offset_ = value_at;
            return scanner_.fail("a member holds a number that is too large for a double");
        }
        envelope_.fields[unescaped(name)] = std::move(dom);
        return true;
    }

    bool is_opaque(std::string_view quoted) const {
        return std::any_of(opaque_keys_.begin(), opaque_keys_.end(),
                           [&](std::string_view key) { return names(quoted, key); });
    }

    void keep_opaque(std::string name, std::string_view value) {
        for (auto& [key, range] : envelope_.opaque) {
            if (key == name) {
                range = value;
                return;
            }
        }
        envelope_.opaque.emplace_back(std::move(name), value);
    }

    std::optional<std::string> text_field(const char* name) const {
        const auto found = envelope_.fields.find(name);
        if (found == envelope_.fields.end() || !found->is_string()) return std::nullopt;
        return found->get<std::string>();
    }

    JsonScanner scanner_;
    std::initializer_list<std::string_view> opaque_keys_;
    const ScanLimits& limits_;
    Envelope envelope_;
    std::size_t fields_bytes_ = 0;
    std::optional<std::size_t> offset_;  // where an error lies that is not under the cursor
};

}  // namespace

std::optional<std::string_view> Envelope::find(std::string_view key) const {
    for (const auto& [name, range] : opaque) {
        if (name == key) return range;
    }
    return std::nullopt;
}

ScanOutcome scan_envelope(std::string_view text, std::initializer_list<std::string_view> opaque_keys,
                          const ScanLimits& limits) {
    return EnvelopeReader(text, opaque_keys, limits).read();
}

namespace {

/// The members of the object that begins the text, until `visit` (name as it stands, value) says that it is enough, or
/// the text makes no sense any more.
template <class Visit>
void for_each_member(JsonScanner& scanner, const Visit& visit) {
    scanner.skip_space();
    if (!scanner.take('{')) return;
    do {
        scanner.skip_space();
        std::string_view name;
        if (!scanner.skip_name(name)) return;
        scanner.skip_space();
        const std::size_t value_at = scanner.offset();
        if (!scanner.skip_value(1) || !visit(name, scanner.slice(value_at))) return;
        scanner.skip_space();
    } while (scanner.take(','));
}

}  // namespace

std::optional<std::string_view> member_text(std::string_view object, std::string_view key) {
    std::optional<std::string_view> found;
    JsonScanner scanner(object, max_value_depth);
    for_each_member(scanner, [&](std::string_view name, std::string_view value) {
        if (names(name, key)) found = value;
        return true;
    });
    return found;
}

std::optional<json> decoded(std::string_view text) {
    json value = to_dom(text);
    if (value.is_discarded()) return std::nullopt;
    return value;
}

Envelope scan_beginning(std::string_view cut_off) {
    Envelope envelope;
    JsonScanner scanner(cut_off, 1);
    for_each_member(scanner, [&](std::string_view name, std::string_view value) {
        if (scanner.at_end()) return false;  // a number that ends with the text may go on behind it
        json dom = to_dom(value);
        if (!dom.is_discarded()) envelope.fields[unescaped(name)] = std::move(dom);
        return true;
    });
    return envelope;
}

std::optional<ScanError> check_json(std::string_view text, const ScanLimits& limits) {
    JsonScanner scanner(text, limits.max_depth);
    bool good = scanner.skip_value();
    if (good) {
        scanner.skip_space();
        good = scanner.at_end() || scanner.unexpected("the end of the text");
    }
    if (good) return std::nullopt;
    ScanError error;
    error.offset = scanner.offset();
    error.reason = scanner.reason();
    return error;
}

std::string on_one_line(std::string_view json) {
    std::string line(json);
    keep_on_one_line(line, line);
    return line;
}

void keep_on_one_line(std::string& whole, std::string_view json) {
    const auto begin = static_cast<std::size_t>(json.data() - whole.data());
    whole.resize(begin + json.size());
    whole.erase(0, begin);
    for (const char each : {'\n', '\r'}) {
        for (std::size_t at = 0; (at = whole.find(each, at)) != std::string::npos;)
            whole[at] = ' ';
    }
}

}  // namespace emprops::ipc
