#pragma once
// An examination's findings as a table for people, as JSON and as JUnit XML. Pure.

#include <string>
#include <vector>

#include "ipc/messages.h"
#include "supervisor/doctor/check.h"

namespace emprops::doctor {

/// `colour`: with escape codes.
std::string table(const std::vector<Finding>& findings, bool colour);
ipc::Json json(const std::string& connector, const std::vector<Finding>& findings);
std::string junit(const std::string& connector, const std::vector<Finding>& findings);
bool healthy(const std::vector<Finding>& findings);

}  // namespace emprops::doctor
