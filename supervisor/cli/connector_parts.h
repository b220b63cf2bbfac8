#pragma once
// What the commands for authors of connectors share: the connector that is meant, payloads.

#include <optional>
#include <string>

#include "config/settings.h"
#include "ipc/messages.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/scratch.h"
#include "supervisor/process/surroundings.h"

namespace emprops::cli {

/// JSON text, or @FILE. Nothing: it was wrong, and that was said.
std::optional<ipc::RawJson> payload_of(const std::string& argument, const char* option);
/// The configured connector, or one that the command line makes up. Nothing: there is none, and that was said.
std::optional<config::ConnectorSettings> connector_of(const ConnectorOptions& options,
                                                      const config::Settings& all);
/// As a person would type it.
std::string command_text(const config::ConnectorSettings& settings);
process::FleetOptions fleet_in(const Scratch& scratch, const config::Settings& all);
/// stdout is a terminal that may be coloured.
bool in_colour();

}  // namespace emprops::cli
