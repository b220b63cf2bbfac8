#pragma once
// What a line of a known logger says. Libraries write JSON lines for people to stdout (pino, bunyan, zap, zerolog,
// structlog, python-json-logger, logrus, winston, slog, tracing, Google Cloud's). Pure functions, any thread.

#include <optional>

#include "ipc/messages.h"

namespace emprops::ipc {

/// Level and text of the line, and as `fields` what else it says but for the time and the process. Nothing: no logger
/// that is known here writes such objects.
std::optional<LogLine> known_logger(const Json& line);

/// The level that a word or a number stands for, as LogLine has it; numbers are pino's and bunyan's (30: info), words
/// in any letter case ("WARNING", "panic", "INFO+2"). Nothing: no such level.
std::optional<std::string> logger_level(const Json& level);

}  // namespace emprops::ipc
