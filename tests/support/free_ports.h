#pragma once
// Ports of loopback that stay free for whoever asked: for services and hubs that are started later, or come back
// on the port that they had. Ports of the system's choice (bind to 0) are for sockets that are never closed
// before the test's end: once closed, the system gives them to any connection that somebody makes.

#include <cstdint>

namespace emprops::test {

/// The first of `count` ports in a row that are free now. No other test program gets them while this one lives,
/// and no connection: they lie below the system's range for those. Throws std::runtime_error if there are none.
std::uint16_t free_ports(int count = 1);

}  // namespace emprops::test
