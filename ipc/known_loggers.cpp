#include "ipc/known_loggers.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "ipc/json_text.h"
#include "ipc/text/values.h"

namespace emprops::ipc {
namespace {

constexpr std::array level_names{"level", "levelname", "severity", "lvl", "log.level"};
constexpr std::array text_names{"msg", "message", "event", "text"};
/// The log has its own time and process.
constexpr std::array known_already{"time",    "timestamp", "ts",       "@timestamp",
                                   "asctime", "pid",       "hostname", "v"};

constexpr std::pair<std::string_view, const char*> levels[] = {
    {"trace", "trace"},    {"debug", "debug"},  {"dbg", "debug"},       {"info", "info"},
    {"notice", "info"},    {"default", "info"}, {"warn", "warn"},       {"warning", "warn"},
    {"error", "error"},    {"err", "error"},    {"exception", "error"}, {"critical", "error"},
    {"fatal", "error"},    {"panic", "error"},  {"dpanic", "error"},    {"alert", "error"},
    {"emergency", "error"}};

/// 10 to 60, between which pino allows levels of one's own.
std::optional<std::string> of_number(std::int64_t number) {
    constexpr std::array names{"trace", "debug", "info", "warn", "error", "error"};
    if (number < 10 || number > 69) return std::nullopt;
    return names[static_cast<std::size_t>(number / 10 - 1)];
}

template <class Names>
const char* member(const Json& object, const Names& names, bool (*wanted)(const Json&)) {
    for (const char* name : names) {
        const auto found = object.find(name);
        if (found != object.end() && wanted(*found)) return name;
    }
    return nullptr;
}

bool is_level(const Json& value) {
    return logger_level(value).has_value();
}

bool is_text(const Json& value) {
    return value.is_string();
}

}  // namespace

std::optional<std::string> logger_level(const Json& level) {
    if (const auto number = level.is_number() ? whole_number(level) : std::nullopt) return of_number(*number);
    if (!level.is_string()) return std::nullopt;
    std::string word = text::lower(level.get_ref<const std::string&>());
    word.resize(std::min(word.find_first_of("+-"), word.size()));  // slog: "INFO+2"
    for (const auto& [known, name] : levels) {
        if (word == known) return name;
    }
    return std::nullopt;
}

std::optional<LogLine> known_logger(const Json& line) {
    if (!line.is_object()) return std::nullopt;
    const char* level = member(line, level_names, is_level);
    if (level == nullptr) return std::nullopt;
    // tracing of Rust has the text among the fields.
    const auto fields = line.find("fields");
    const bool inside = fields != line.end() && fields->is_object();
    const Json* said = &line;
    const char* text = member(line, text_names, is_text);
    if (text == nullptr && inside) {
        said = &*fields;
        text = member(*said, text_names, is_text);
    }
    if (text == nullptr) return std::nullopt;
    LogLine log;
    log.level = *logger_level(line[level]);
    log.message = (*said)[text].get<std::string>();
    log.fields = Json::object();
    for (const Json* each : {&line, said}) {
        for (const auto& [name, value] : each->items()) {
            if (each == &line && (name == level || (said != &line && name == "fields"))) continue;
            if (each == said && name == text) continue;
            const auto same = [&key = name](const char* known) { return key == known; };
            if (std::any_of(known_already.begin(), known_already.end(), same)) continue;
            log.fields[name] = value;
        }
    }
    if (log.fields.empty()) log.fields = nullptr;
    return log;
}

}  // namespace emprops::ipc
