#include "tests/support/free_ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <fstream>
#include <random>
#include <stdexcept>
#include <vector>

namespace emprops::test {
namespace {

constexpr int lowest_port = 10'000;

/// Connections get their ports from here up (ip(7), ip_local_port_range).
int first_port_of_connections() {
    int first = 32'768;
    std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> first;
    return first;
}

bool nobody_listens(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return bound;
}

/// A name that one process has until it ends: an abstract Unix socket (unix(7)). -1: another one has it.
int take_name_of(int port) {
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const int length =
        std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "emprops-test-port-%d", port);
    const auto size =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<std::size_t>(length));
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) return fd;
    ::close(fd);
    return -1;
}

}  // namespace

std::uint16_t free_ports(int count) {
    std::mt19937 random(std::random_device{}());
    std::uniform_int_distribution<int> any(lowest_port, first_port_of_connections() - count);
    for (int attempt = 0; attempt < 1'000; ++attempt) {
        const int first = any(random);
        std::vector<int> names;  // never given back: they end with the process
        for (int port = first; port < first + count; ++port) {
            const int name = take_name_of(port);
            if (name >= 0) names.push_back(name);
            if (name < 0 || !nobody_listens(port)) break;
            if (port == first + count - 1) return static_cast<std::uint16_t>(first);
        }
        for (const int name : names)
            ::close(name);
    }
    throw std::runtime_error("no free ports below the system's range for connections");
}

}  // namespace emprops::test
