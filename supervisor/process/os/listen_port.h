#pragma once
// Who listens on a TCP port, read from the text of /proc/net/tcp and tcp6 and from the names of a process's
// descriptors. Pure; the process host reads the files.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emprops::process {

/// The owner of a listening socket, as far as we may see it.
struct PortOwner {
    bool listening = false;  ///< false: the port is free, the rest means nothing
    bool ours = false;       ///< a process of the asked tree holds one of the sockets
    int pid = 0;             ///< 0: not visible to us (another user's process)
    std::string command;     ///< its command line, shortened

    /// "pid 123 (python main.py --port 8188)", or that it cannot be seen.
    std::string text() const;
};

/// The inodes of all sockets that listen on `port` (any address), from one of the two tables. Lines that are
/// not understood are passed over.
std::vector<std::uint64_t> listening_inodes(std::string_view table, std::uint16_t port);
/// 12345 of "socket:[12345]", where a descriptor link of a process points to.
std::optional<std::uint64_t> socket_inode(std::string_view link);
/// The text of /proc/PID/cmdline for people: blanks for NULs, at most 200 bytes.
std::string shown_command(std::string_view cmdline);

}  // namespace emprops::process
