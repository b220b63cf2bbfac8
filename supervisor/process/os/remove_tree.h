#pragma once
// Removes a folder that a connector has filled, however deep it is, whatever rights its folders have and wherever its
// links lead: links are removed, not followed, and the number of open descriptors does not grow with the depth.
// Blocking: on a thread of its own.

#include <string>

#include "ipc/result.h"

namespace emprops::process {

/// Removes `name`, a file, a link or a folder with everything in it, from the folder `at`. Goes on where something
/// cannot be removed. Error "remove": the first such thing and why.
Result<> remove_tree(int at, const std::string& name);

/// Gives the folder `name` in `at` the rights by which its owner can list and change it; false: it is none, or of
/// somebody else. Never through a link.
bool make_accessible(int at, const std::string& name);

}  // namespace emprops::process
