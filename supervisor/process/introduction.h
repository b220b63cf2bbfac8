#pragma once
// How a connector is begun, whoever does it (the worker, `connector doctor`, `connector run`): as which program, where
// and with which environment it is started, and what `hello` says to it.

#include "config/settings.h"
#include "ipc/messages.h"
#include "ipc/result.h"
#include "supervisor/process/surroundings.h"

namespace emprops::process {

/// Makes its scratch folder, which is its working directory unless another is configured. The errors name what was
/// searched or could not be made.
Result<LaunchSpec> introduce(Surroundings& around, const config::ConnectorSettings& settings, int index);

ipc::Hello greeting(const Surroundings& around, const config::ConnectorSettings& settings, int index);

}  // namespace emprops::process
