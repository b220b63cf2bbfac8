#include "supervisor/base/log_format.h"
#include "ipc/json_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace emprops {
namespace {

using OrderedJson = nlohmann::ordered_json;

std::string utc(std::chrono::system_clock::time_point time) {
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count() % 1000;
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(time)),
                       ms);
}

/// Valid UTF-8 of `text`, through the JSON library's replacing encoder (the one place that knows the rules).
std::string valid_utf8(std::string_view text) {
    const auto quoted = ipc::dump(OrderedJson(std::string(text)));
    return OrderedJson::parse(quoted).get<std::string>();
}

}  // namespace

std::string one_line(std::string_view text) {
    bool plain = true;
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) plain = false;
    }
    if (plain) return std::string(text);
    std::string safe;
    const std::string valid = valid_utf8(text);
    for (std::size_t i = 0; i < valid.size(); ++i) {
        const char c = valid[i];
        const auto byte = static_cast<unsigned char>(c);
        const auto next = [&](std::size_t by) {
            return i + by < valid.size() ? static_cast<unsigned char>(valid[i + by]) : 0u;
        };
        const unsigned wide = byte == 0xe2 ? 0x2000 + ((next(1) & 0x3f) << 6) + (next(2) & 0x3f) : 0;
        if (byte == 0xc2 && next(1) < 0xa0) {  // U+0080..U+009F: some terminals take them for commands
            safe += fmt::format("\\x{:02x}", next(1));
            ++i;
        } else if ((wide >= 0x202a && wide <= 0x202e) || (wide >= 0x2066 && wide <= 0x2069)) {
            safe += fmt::format("\\u{:04x}", wide);
            i += 2;
        } else if (c == '\n') {
            safe += "\\n";
        } else if (c == '\t') {
            safe += "\\t";
        } else if (c == '\r') {
            safe += "\\r";
        } else if (byte < 0x20 || byte == 0x7f) {
            safe += fmt::format("\\x{:02x}", byte);
        } else {
            safe += c;
        }
    }
    return safe;
}

std::string safe_lines(std::string_view text) {
    std::string safe;
    while (true) {
        const auto end = text.find('\n');
        safe += one_line(text.substr(0, end));
        if (end == std::string_view::npos) return safe;
        safe += '\n';
        text.remove_prefix(end + 1);
    }
}

std::string format_text(const LogRecord& record) {
    std::string line = fmt::format("{} {:<5} {}: {}", utc(record.time), record.level, record.component,
                                   one_line(record.message));
    std::string fields;
    if (!record.fields.connector.empty()) fields += " connector=" + one_line(record.fields.connector);
    if (record.fields.pid != 0) fields += fmt::format(" pid={}", record.fields.pid);
    if (!record.fields.job_id.empty()) fields += " job=" + one_line(record.fields.job_id);
    if (!fields.empty()) line += " [" + fields.substr(1) + "]";
    return line + "\n";
}

std::string format_json(const LogRecord& record) {
    OrderedJson object{{"time", utc(record.time)},
                       {"level", std::string(record.level)},
                       {"component", std::string(record.component)},
                       {"message", std::string(record.message)}};
    if (!record.fields.connector.empty()) object["connector"] = record.fields.connector;
    if (record.fields.pid != 0) object["pid"] = record.fields.pid;
    if (!record.fields.job_id.empty()) object["job_id"] = record.fields.job_id;
    return ipc::dump(object) + "\n";
}

}  // namespace emprops
