#pragma once
// Runs an event loop of the test's own until something holds. For tests without a thread for the loop.

#include <boost/asio/io_context.hpp>
#include <chrono>

namespace emprops::test {

/// False: it did not hold within `limit`.
template <class Condition>
bool run_until(boost::asio::io_context& loop, Condition condition,
               std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        loop.restart();
        loop.run_one_for(std::chrono::milliseconds(20));
    }
    return true;
}

}  // namespace emprops::test
