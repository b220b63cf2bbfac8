#pragma once
// What the page of a companion service says of it. Which page that is, and where it has its figures, is
// configuration: nothing here knows a particular service. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/process/life/readiness.h"

namespace emprops::process {

/// 2xx and 3xx are healthy. The body counts only for the graphics memory in use.
PageAnswer judge_page(int status, std::string_view body, const std::vector<std::string>& vram_figures);
/// Bytes of graphics memory in use, of the device that uses most (config::ServiceSettings::vram_figures).
/// Nothing: the body is no JSON, or has no such figures.
std::optional<std::uint64_t> vram_in_use(std::string_view body, const std::vector<std::string>& figures);

}  // namespace emprops::process
