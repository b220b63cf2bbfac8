#pragma once
// The settings of the courier, which the supervisor makes: the stores, the spool, the limits. Read once, then only read,
// from any thread.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "connectors/stores/settings/catalog.h"
#include "emprops/settings.h"

namespace emprops::courier {

/// A program of the operator's that makes another file of one ([files.commands.NAME]).
struct Command {
    std::vector<std::string> command;  ///< with {in} and {out}
    std::string extension;             ///< of what it makes: "mp4"
    std::string mime_type;
    std::chrono::milliseconds timeout{10 * 60 * 1000};
};

struct Settings {
    stores::Json stores = stores::Json::object();
    std::chrono::milliseconds deliver_timeout{30 * 60 * 1000};
    std::string spool;
    std::string converter;  ///< the program emprops-convert
    stores::Json commands = stores::Json::object();

    stores::Catalog catalog{};                        ///< what `stores` says
    std::map<std::string, Command> known_commands{};  ///< what `commands` says
};

/// Throws ConfigurationError that names the key.
Settings read_settings(const stores::Json& given);

}  // namespace emprops::courier
