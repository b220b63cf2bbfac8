#pragma once
// The walls around whoever reads a stranger's file: limits of the kernel, and a filter of its calls. All of it holds for
// the process from then on and cannot be undone. Call it with one thread.

#include <cstdint>
#include <string>

#include "ipc/result.h"

namespace emprops::convert {

struct Limits {
    std::uint64_t memory_bytes = 0;  ///< of address space
    std::uint64_t file_bytes = 0;    ///< of a file that it writes
    std::uint64_t cpu_seconds = 0;
};

/// It ends with whoever started it, gains no rights by anything that it starts, leaves no core file, and lets others go
/// first. For every process.
Result<> become_harmless();

/// For one that works on descriptors which it has: no new ones, no processes. Error: the limit that could not be set.
Result<> set_limits(const Limits& limits);
/// What an operator's command gets: it may open files and start threads.
Result<> set_command_limits(std::uint64_t cpu_seconds, std::uint64_t file_bytes);

/// From here on it reads, writes, seeks, asks for memory and ends; every other call is refused (EPERM). Error: this
/// kernel or container has no such filter, and the limits are all that there is.
Result<> deny_calls();

/// A network of its own, with nobody in it. Error: it may not have one.
Result<> leave_network();

}  // namespace emprops::convert
