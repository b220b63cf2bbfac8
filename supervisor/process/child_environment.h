#pragma once
// The environment of a connector process: what its configuration names, a short list of what any program
// needs, and EMPROPS_CONNECTOR=1. Nothing else of the worker's own: no token of the Hub, no secret of another connector.
// Pure but for the parameter that stands for our own environment.

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "supervisor/process/os/find_executable.h"

namespace emprops::process {

/// Every "{instance}" becomes the instance's index.
std::string with_instance(std::string text, int index);
/// The port of the companion service of this instance; 0: it has no service, or that has no port.
std::uint16_t service_port(const config::ConnectorSettings& settings, int index);
/// "{instance}" and "{service_port}" replaced; the latter stays as it is when there is no such port.
std::string for_connector(const std::string& text, const config::ConnectorSettings& settings, int index);
/// The settings for `hello`, "{service_port}" replaced in their strings.
nlohmann::json settings_for_connector(const config::ConnectorSettings& settings, int index);
/// "{instance}" and "{port}" replaced: what [connectors.NAME.service] says for this instance.
std::string for_service(const std::string& text, const config::ConnectorSettings& settings, int index);

/// `own` is our environment as NAME=VALUE lines. A connector with a service gets EMPROPS_SERVICE_PORT and
/// EMPROPS_SERVICE_URL, unless its service has no port.
std::map<std::string, std::string> child_environment(const config::ConnectorSettings& settings, int index,
                                                     const std::vector<std::string>& own);
/// The variables of its companion service: the base list and the service's own table, nothing else.
std::map<std::string, std::string> service_environment(const config::ConnectorSettings& settings, int index,
                                                       const std::vector<std::string>& own);
/// What a program of this instance is searched by: that of its connector, or of its service.
ProgramSearch connector_search(const config::ConnectorSettings& settings, int index,
                               const std::vector<std::string>& own);
ProgramSearch service_search(const config::ConnectorSettings& settings, int index,
                             const std::vector<std::string>& own);
/// environ as a list.
std::vector<std::string> own_environment();

}  // namespace emprops::process
