#pragma once
// Sizes for people. Pure.

#include <cstdint>
#include <string>

namespace emprops {

/// "17 B", "4.1 MiB", "512 KiB": three digits at most, one of them behind the point.
std::string human_bytes(std::uint64_t bytes);

}  // namespace emprops
