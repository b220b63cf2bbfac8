#pragma once
// The job types that a connector names in `ready` and `capabilities`: what is taken of them. Pure.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace emprops::process {

/// Each of them is told to the Hub, and looked up for each offer.
inline constexpr std::size_t max_job_types = 10'000;
inline constexpr std::size_t max_job_type_bytes = 256;

/// Each once, in their order. A sentence for a person if they cannot be taken (too many, too long); they
/// are as they were then.
std::optional<std::string> tidy_job_types(std::vector<std::string>& types);

}  // namespace emprops::process
