#pragma once
// What the machine does not give us, in words: a limit that was hit, a system call that a container's profile denies.
// Reads limits, tries harmless calls; no state.

#include <string>
#include <vector>

namespace emprops::process {

/// Which limit of this process, its user or its container errno speaks of, its value and what raises it: a phrase;
/// empty: errno speaks of none.
std::string limit_behind(int number);

/// Calls without which no connector can be supervised and which are denied here, each a sentence that says by whom and
/// what to do. To be asked before anything is started.
std::vector<std::string> denied_system_calls();

}  // namespace emprops::process
