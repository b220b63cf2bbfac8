#include "ipc/stray.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ipc/known_loggers.h"
#include "ipc/lead.h"
#include "ipc/looks.h"
#include "ipc/text/encoding.h"
#include "ipc/text/utf8.h"
#include "ipc/text/values.h"

namespace emprops::ipc {
namespace {

constexpr std::size_t max_stray_bytes = 4096;
/// Of the text in front of a message, and of a message over several lines.
constexpr std::size_t shown_bytes = 80;
/// Places of a line at which a message is looked for: all in its beginning, for prints are short, and of a long line, of
/// which each place costs a pass, fewer.
constexpr std::size_t max_text_bytes = std::size_t{64} << 10;
constexpr int max_places = 8;
constexpr int max_places_of_long = 2;

constexpr const char* several_lines =
    "one message stands on one line, and this one does not (switch pretty printing off)";

/// Whether a line with errors was meant to be a message of ours. What concerns a job must name it or end it.
bool was_meant(const Looks& looks) {
    // Loggers know jobs, too: `{"event":"step","job_id":"1"}`.
    if (!looks.type) return looks.job_id && looks.result;
    constexpr std::array of_jobs{"accepted", "progress", "released", "service_request"};
    constexpr std::array others{"ready",  "init_failed",     "result",       "failed",
                                "status", "restart_service", "capabilities", "pong"};
    const auto in = [&](const auto& names) {
        return std::find(names.begin(), names.end(), *looks.type) != names.end();
    };
    return in(others) || (looks.job_id && in(of_jobs));
}

Stray stray(std::string_view text) {
    Stray found;
    found.text = std::string(text::cut(text, max_stray_bytes));
    const auto good = text::utf8_of(text.substr(0, shown_bytes));
    if (!good) {
        const std::string& what = good.error().message;  // "is UTF-16 (...); ..."
        found.hint = "it " + what.substr(0, what.find(" (")) + ", and messages are UTF-8";
    }
    return found;
}

Decoded judge(Looks looks, Stray found, std::string reason) {
    if (looks.job_id && looks.job_id->empty()) looks.job_id.reset();
    if (was_meant(looks)) return Malformed{std::move(reason), looks.job_id, looks.type};
    if (looks.type || found.json) found.hint = std::move(reason);
    return found;
}

std::optional<std::string> text_of(const Json& fields, const char* name) {
    const auto found = fields.find(name);
    if (found == fields.end() || !found->is_string()) return std::nullopt;
    return found->get<std::string>();
}

/// Of a line `"type": "result",`, as pretty printing makes it.
std::optional<std::string> type_alone(std::string_view line) {
    line = text::trim(line);
    if (!line.starts_with("\"type\"") || line.size() > shown_bytes) return std::nullopt;
    if (line.ends_with(',')) line.remove_suffix(1);
    return looks_of("{" + std::string(line) + "}").type;
}

/// The next place behind `from` at which `{` and a name in quotes stand.
std::size_t next_place(std::string_view line, std::size_t from) {
    for (std::size_t at = line.find('{', from); at != std::string_view::npos; at = line.find('{', at + 1)) {
        const std::size_t next = line.find_first_not_of(" \t", at + 1);
        if (next != std::string_view::npos && line[next] == '"') return at;
    }
    return std::string_view::npos;
}

}  // namespace

Decoded judge_broken(std::string_view text, const ScanError& error) {
    Looks looks = looks_of(text);
    if (error.type) looks.type = error.type;
    if (error.job_id) looks.job_id = error.job_id;
    Stray found = stray(text);
    if (text::trim(text) == "{") found.hint = several_lines;
    return judge(looks, std::move(found),
                 "not valid JSON at byte " + std::to_string(error.offset) + ": " + error.reason);
}

Decoded judge_object(std::string_view text, const Envelope& envelope, std::string reason) {
    Looks looks;
    looks.type = text_of(envelope.fields, "type");
    looks.job_id = text_of(envelope.fields, "job_id");
    Stray found = stray(text);
    found.json = true;
    found.log = known_logger(envelope.fields);
    looks.result = !found.log && envelope.find("result");
    return judge(looks, std::move(found), std::move(reason));
}

Decoded judge_text(std::string_view line, const ScanLimits& limits) {
    if (const auto type = type_alone(line)) {
        if (was_meant({type, {}, false})) return Malformed{several_lines, std::nullopt, type};
    }
    if (auto behind = message_behind(line, limits)) return std::move(*behind);
    return stray(line);
}

std::optional<Decoded> message_behind(std::string_view line, const ScanLimits& limits) {
    std::optional<Decoded> broken;
    const std::string_view beginning = line.substr(0, max_text_bytes);
    const int places = line.size() > max_text_bytes ? max_places_of_long : max_places;
    std::size_t at = next_place(beginning, 1);
    for (int place = 0; place < places && at != std::string_view::npos; ++place) {
        Decoded decoded = decode_from_connector(line.substr(at), limits);
        if (auto* message = std::get_if<FromConnector>(&decoded)) {
            if (std::holds_alternative<Unknown>(*message)) return broken;
            return Behind{at, looks_of(line.substr(at)).type.value_or(""), std::move(*message)};
        }
        // What stands in an object that is whole belongs to it.
        if (const auto* other = std::get_if<Stray>(&decoded); other != nullptr && other->json) return broken;
        if (auto* malformed = std::get_if<Malformed>(&decoded); malformed != nullptr && !broken) {
            const std::string type = malformed->type.value_or("result");
            malformed->at = at;
            malformed->reason = "a print without a line break stands before this " + type + " (\"" +
                                std::string(text::cut(line.substr(0, at), shown_bytes)) +
                                "\"), and what follows is no whole message: " + malformed->reason;
            broken = std::move(decoded);
        }
        at = next_place(beginning, at + 1);
    }
    return broken;
}

}  // namespace emprops::ipc
