#include "supervisor/base/note.h"

#include <utility>

#include "supervisor/base/log.h"

namespace emprops {
namespace {

/// In the order of Note::Level.
constexpr std::pair<const char*, spdlog::level::level_enum> levels[] = {{"trace", spdlog::level::trace},
                                                                        {"debug", spdlog::level::debug},
                                                                        {"info", spdlog::level::info},
                                                                        {"warn", spdlog::level::warn},
                                                                        {"error", spdlog::level::err}};

}  // namespace

const char* to_string(Note::Level level) {
    return levels[static_cast<int>(level)].first;
}

void write(std::string_view component, const Note& note) {
    const LogContext context({note.connector, 0, note.job_id});
    logger(component)->log(levels[static_cast<int>(note.level)].second, note.text);
}

}  // namespace emprops
