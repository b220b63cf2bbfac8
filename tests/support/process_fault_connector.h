#pragma once
// A connector that misbehaves on purpose. It is the test program itself, started with another first argument,
// so that no second program has to be built: see process_fault_connector.cpp for the modes.

#include <string>
#include <vector>

namespace emprops::test {

/// The `command` of a connector that behaves as `mode` says, with optional arguments.
std::vector<std::string> fault_connector(const std::string& mode, std::vector<std::string> arguments = {});

}  // namespace emprops::test
