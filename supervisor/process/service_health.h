#pragma once
// What an answer of a companion service means. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace emprops::process {

struct ServiceHealth {
    bool healthy = false;
    std::string text;  ///< not healthy: why, for a person; one phrase without a full stop
    std::optional<std::uint64_t> vram_used;  ///< bytes, when the answer is ComfyUI's /system_stats
};

/// 2xx and 3xx are healthy. The body counts only for vram_used.
ServiceHealth judge_answer(int status, std::string_view body);
/// Bytes of graphics memory in use: vram_total - vram_free of the device that uses most. Null: not ComfyUI's
/// /system_stats, or no device with such numbers.
std::optional<std::uint64_t> vram_used(std::string_view body);

}  // namespace emprops::process
