#pragma once
// The names and values of environment variables, as this project and machines make them. Pure functions, any thread.

#include <string>
#include <string_view>

namespace emprops::text {

/// Part of a variable's name: capitals and digits, `_` for everything else ("my-comfy.2" is MY_COMFY_2).
std::string variable_name(std::string_view name);

/// "tcp://10.96.0.12:8001", which Kubernetes sets as NAME_PORT for a service called name.
bool is_service_link(std::string_view value);
/// A variable of the family that Kubernetes sets for a service: NAME_SERVICE_HOST, NAME_PORT_8001_TCP_ADDR, ...
bool is_of_service_link(std::string_view variable);

}  // namespace emprops::text
