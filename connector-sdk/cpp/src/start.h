#pragma once
// From `hello` to `ready` or `init_failed`: calls the connector's initialize() and asks what it offers. Runs
// the author's code; sends nothing itself.

#include <string>
#include <variant>

#include "emprops/connector.h"
#include "ipc/messages.h"

namespace emprops::sdk {

struct StartFailure {
    ipc::JobError error;
    int exit_code = 70;  // 78: a retry cannot help before the settings change
};

/// The answer to `--check-settings`, a line: {"type": "settings_checked", "warnings": [...], "error": "..."}; `hello` is
/// the line that a supervisor would send.
std::string checked_settings(Connector& connector, const std::string& hello);

std::variant<ipc::Ready, StartFailure> start_connector(Connector& connector, const std::string& name,
                                                       const ipc::Hello& hello, ConnectorContext& context);

}  // namespace emprops::sdk
