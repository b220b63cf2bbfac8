#pragma once
// The environment of a connector process: what its configuration names, a short list of what any program
// needs, and EMPROPS_CONNECTOR=1. Nothing else of ours: no token of the Hub, no secret of another connector.
// Pure but for the parameter that stands for our own environment.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"

namespace emprops::process {

/// Every "{instance}" becomes the instance's index.
std::string with_instance(std::string text, int index);

/// `own` is our environment as NAME=VALUE lines.
std::map<std::string, std::string> child_environment(const config::ConnectorSettings& settings, int index,
                                                     const std::vector<std::string>& own);
/// environ as a list.
std::vector<std::string> own_environment();

}  // namespace emprops::process
