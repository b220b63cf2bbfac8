#include "supervisor/base/note.h"

#include "supervisor/base/log.h"

namespace emprops {
namespace {

spdlog::level::level_enum level_of(Note::Level level) {
    switch (level) {
        case Note::Level::trace:
            return spdlog::level::trace;
        case Note::Level::debug:
            return spdlog::level::debug;
        case Note::Level::info:
            return spdlog::level::info;
        case Note::Level::warn:
            return spdlog::level::warn;
        case Note::Level::error:
            break;
    }
    return spdlog::level::err;
}

}  // namespace

const char* to_string(Note::Level level) {
    switch (level) {
        case Note::Level::trace:
            return "trace";
        case Note::Level::debug:
            return "debug";
        case Note::Level::info:
            return "info";
        case Note::Level::warn:
            return "warn";
        case Note::Level::error:
            break;
    }
    return "error";
}

void write(std::string_view component, const Note& note) {
    const LogContext context({note.connector, 0, note.job_id});
    logger(component)->log(level_of(note.level), note.text);
}

}  // namespace emprops
