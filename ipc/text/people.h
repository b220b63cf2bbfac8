#pragma once
// Sizes and times for people. Pure functions, any thread.

#include <chrono>
#include <cstdint>
#include <string>

namespace emprops {

/// "17 B", "4.1 MiB", "512 KiB": three digits at most, one of them behind the point.
std::string human_bytes(std::uint64_t bytes);

/// "850 ms", "8 s", "2 min 5 s", "3 h 4 min".
std::string human_duration(std::chrono::milliseconds duration);

}  // namespace emprops
