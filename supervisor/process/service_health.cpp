#include "supervisor/process/service_health.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace emprops::process {

ServiceHealth judge_answer(int status, std::string_view body) {
    ServiceHealth health;
    health.healthy = status >= 200 && status < 400;
    if (health.healthy)
        health.vram_used = vram_used(body);
    else
        health.text = "it answers HTTP " + std::to_string(status);
    return health;
}

std::optional<std::uint64_t> vram_used(std::string_view body) {
    // Deep nesting would overflow the stack when it is destroyed: real answers are three levels deep.
    const auto opened = std::count_if(body.begin(), body.end(), [](char c) { return c == '[' || c == '{'; });
    if (opened > 1000) return std::nullopt;
    const auto stats = nlohmann::json::parse(body, nullptr, false);
    if (!stats.is_object()) return std::nullopt;
    const auto devices = stats.find("devices");
    if (devices == stats.end() || !devices->is_array()) return std::nullopt;
    std::optional<std::uint64_t> most;
    for (const auto& device : *devices) {
        if (!device.is_object()) continue;
        const auto total = device.find("vram_total");
        const auto free = device.find("vram_free");
        if (total == device.end() || free == device.end()) continue;
        if (!total->is_number_unsigned() || !free->is_number_unsigned()) continue;
        const auto all = total->get<std::uint64_t>();
        const auto used = all - std::min(all, free->get<std::uint64_t>());
        most = std::max(most.value_or(0), used);
    }
    return most;
}

}  // namespace emprops::process
