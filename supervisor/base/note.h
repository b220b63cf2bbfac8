#pragma once
// A line for the log as a value: machines that do no I/O put it among their actions, and whoever performs
// those writes it. It never contains a payload, a result or a token.

#include <string>
#include <string_view>

namespace emprops {

struct Note {
    enum class Level { trace, debug, info, warn, error };
    Level level = Level::info;
    std::string text;       ///< a sentence for a person
    std::string connector;  ///< name of the configured connector, may be empty
    std::string job_id;     ///< may be empty
    bool operator==(const Note&) const = default;
};

const char* to_string(Note::Level level);

/// Into the log of this component (log.h).
void write(std::string_view component, const Note& note);

}  // namespace emprops
