#pragma once
// What /proc says of processes: who descends from whom, environment, memory. Read only, no state; every
// answer may be out of date when it arrives. Called by the process host and by the guardian only.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace emprops::process {

struct ProcStat {
    char state = '?';  ///< R, S, D, Z, T, ...
    pid_t parent = 0;
    pid_t group = 0;
    std::uint64_t started = 0;  ///< in clock ticks since boot: with the pid it names one process forever
};
std::optional<ProcStat> proc_stat(pid_t pid);

/// Children of all threads of `pid`, zombies too.
std::vector<pid_t> children_of(pid_t pid);
/// Children, their children and so on, without `pid` itself.
std::vector<pid_t> descendants_of(pid_t pid);
/// Whether the environment that `pid` was started with has exactly `name=value`, with one of these values.
bool environment_has(pid_t pid, std::string_view name, const std::set<std::string>& values);
/// Resident memory of one process; 0 when it is gone.
std::uint64_t resident_bytes(pid_t pid);
/// Arguments, each ended by NUL; empty when it is gone.
std::string command_line(pid_t pid);
/// The name of its program, without a folder.
std::string program_name(pid_t pid);
/// Since its start, to a hundredth of a second.
std::optional<std::chrono::milliseconds> age_of(pid_t pid);
/// What a descriptor of it leads to, as /proc names it ("pipe:[123]"); empty when there is none, or we may not look.
std::string open_file(pid_t pid, int fd);
std::vector<pid_t> all_processes();
/// The inodes of all sockets that listen on a TCP port in our network namespace.
std::set<std::uint64_t> listening_sockets(std::uint16_t port);
/// Whether one of these sockets is open in `pid`. False, too, when we may not look.
bool holds_socket(pid_t pid, const std::set<std::uint64_t>& inodes);

}  // namespace emprops::process
