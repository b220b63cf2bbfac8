#pragma once
// Turns one log record into one line: text for people or a JSON object for machines. Pure functions. Whatever
// is in the message (a child's stderr with newlines, escapes, broken UTF-8), the line stays one line and the
// JSON stays valid.

#include <chrono>
#include <string>
#include <string_view>

#include "supervisor/base/log.h"

namespace emprops {

struct LogRecord {
    std::chrono::system_clock::time_point time;
    std::string_view level;      // trace, debug, info, warn, error
    std::string_view component;  // logger name
    std::string_view message;
    LogFields fields;
};

/// "2026-11-23T14:05:12.123Z info  hub: message [connector=comfyui pid=12 job=abc]\n"
std::string format_text(const LogRecord& record);
/// {"time":"...","level":"info","component":"hub","message":"...","connector":"comfyui","pid":12,"job_id":"abc"}\n
std::string format_json(const LogRecord& record);

/// `text` on one line, safe for a terminal: control characters (the 8-bit ones too) become \n, \t or \xNN,
/// characters that turn the writing direction \uNNNN, broken UTF-8 U+FFFD.
std::string one_line(std::string_view text);
/// The same for text that may have several lines: they stay lines.
std::string safe_lines(std::string_view text);

}  // namespace emprops
