#include "connectors/stores/names/key_template.h"

#include <algorithm>

#include "connectors/stores/names/target_names.h"
#include "ipc/text/nearest.h"
#include "ipc/text/values.h"
#include "ipc/web/digest.h"

namespace emprops::stores {
namespace {

std::string safe_part(std::string_view value) {
    std::string out;
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        out += byte < 0x20 || byte == 0x7F || c == '/' || c == '\\' ? '_' : c;
    }
    if (out.empty() || out == "." || out == "..") out = "_";
    return out;
}

bool any_of(const std::vector<std::string>& found, std::initializer_list<std::string_view> words) {
    return std::any_of(words.begin(), words.end(),
                       [&](std::string_view word) { return text::has_item(found, word); });
}

}  // namespace

std::string value_of(const Values& values, std::string_view name) {
    for (const auto& each : values)
        if (each.first == name) return each.second;
    return {};
}

void set_value(Values& values, std::string_view name, const std::string& value) {
    for (auto& each : values)
        if (each.first == name) each.second = value;
}

std::string fill_template(std::string_view text, const Values& values) {
    std::string out;
    while (!text.empty()) {
        bool filled = false;
        for (const auto& [key, value] : values) {
            const std::string place = "{" + key + "}";
            if (text.substr(0, place.size()) != place) continue;
            out += safe_part(value);
            text.remove_prefix(place.size());
            filled = true;
            break;
        }
        if (filled) continue;
        out += text.front();
        text.remove_prefix(1);
    }
    return out;
}

const std::vector<std::string>& key_words() {
    static const std::vector<std::string> words{"job_id", "job_type", "connector", "node",
                                                "kind",   "index",    "filename",  "stem",
                                                "ext",    "sha256",   "date"};
    return words;
}

std::optional<std::string> wrong_words(std::string_view text, const std::vector<std::string>& more,
                                       std::vector<std::string>* found) {
    std::vector<std::string> known = key_words();
    known.insert(known.end(), more.begin(), more.end());
    for (std::size_t at = text.find('{'); at != std::string_view::npos; at = text.find('{', at + 1)) {
        const std::size_t end = text.find('}', at);
        if (end == std::string_view::npos) return "has a { without a }";
        const std::string word(text.substr(at + 1, end - at - 1));
        if (!text::has_item(known, word)) {
            const auto meant = text::meant(word, known);
            std::string all;
            for (const std::string& each : known)
                all += (all.empty() ? "{" : ", {") + each + "}";
            return "holds {" + word + "}, which is no value; " +
                   (meant ? "did you mean {" + *meant + "}?" : "there are " + all);
        }
        if (found != nullptr) found->push_back(word);
    }
    return {};
}

std::optional<std::string> wrong_template(std::string_view text, const std::vector<std::string>& more) {
    std::vector<std::string> found;
    if (auto wrong = wrong_words(text, more, &found)) return wrong;
    const auto replaced = std::any_of(more.begin(), more.end(),
                                      [&](const std::string& word) { return text::has_item(found, word); });
    if (replaced) return {};
    if (!any_of(found, {"job_id", "sha256"}))
        return "holds neither {job_id} nor {sha256}: a later job's file would replace an earlier one's";
    if (!any_of(found, {"filename", "index", "sha256"}) &&
        !(any_of(found, {"stem"}) && any_of(found, {"ext"})))
        return "holds none of {filename}, {index} and {sha256}: the files of one job would replace each other";
    return {};
}

std::optional<std::string> wrong_path(std::string_view text) {
    if (text.empty()) return "must not be empty";
    while (true) {
        const std::size_t slash = text.find('/');
        const std::string_view part = text.substr(0, slash);
        if (part.empty() || part == "." || part == "..")
            return "must be a path whose parts are neither empty nor \".\" or \"..\"";
        if (slash == std::string_view::npos) return {};
        text.remove_prefix(slash + 1);
    }
}

Values name_values(std::string_view filename) {
    const std::string_view stem = text::stem_of(filename);
    const std::size_t extension = std::min(stem.size() + 1, filename.size());
    return {{"filename", std::string(filename)},
            {"stem", std::string(stem)},
            {"ext", std::string(filename.substr(extension))}};
}

std::string key_of(std::string_view key_template, Values values) {
    for (auto& [key, value] : values) {
        if (key == "job_id" && value != fill_template("{x}", {{"x", value}}))
            value += "-" + sha256_hex(value).substr(0, 8);
    }
    return fitted_path(fill_template(key_template, values));
}

}  // namespace emprops::stores
