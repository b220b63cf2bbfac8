#include "supervisor/base/time.h"

#include <fmt/format.h>

namespace emprops {

std::string human_duration(Ms duration) {
    const auto ms = duration.count();
    if (ms < 0) return "-" + human_duration(-duration);
    if (ms < 1000) return fmt::format("{} ms", ms);
    if (ms < 10'000 && ms % 1000 != 0) return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000.0);
    const auto seconds = (ms + 500) / 1000;
    if (seconds < 60) return fmt::format("{} s", seconds);
    const auto minutes = seconds / 60;
    if (minutes < 60)
        return seconds % 60 == 0 ? fmt::format("{} min", minutes)
                                 : fmt::format("{} min {} s", minutes, seconds % 60);
    const auto hours = minutes / 60;
    if (hours < 48)
        return minutes % 60 == 0 ? fmt::format("{} h", hours)
                                 : fmt::format("{} h {} min", hours, minutes % 60);
    return hours % 24 == 0 ? fmt::format("{} d", hours / 24)
                           : fmt::format("{} d {} h", hours / 24, hours % 24);
}

}  // namespace emprops
