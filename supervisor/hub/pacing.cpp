#include "supervisor/hub/pacing.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

namespace emprops::hub {
namespace {

constexpr Ms window{3000};
constexpr Ms sample_gap{50};
/// What fills the buffers on the way in the first moment is not the rate of the line.
constexpr double shortest_seconds = 1;
constexpr double allowed_seconds = 2;
constexpr double least_allowed = 64 * 1024;
constexpr double most_allowed = 1024 * 1024;

}  // namespace

void RateMeter::add(TimePoint now, std::uint64_t total) {
    if (samples_.size() >= 2 && now - std::prev(samples_.end(), 2)->at < sample_gap) {
        samples_.back() = Sample{now, total};
    } else {
        samples_.push_back(Sample{now, total});
    }
    while (samples_.size() > 2 && now - samples_[1].at >= window)
        samples_.pop_front();
}

double RateMeter::bytes_per_second() const {
    if (samples_.size() < 2) return 0;
    const std::chrono::duration<double> passed = samples_.back().at - samples_.front().at;
    return static_cast<double>(samples_.back().total - samples_.front().total) /
           std::max(passed.count(), shortest_seconds);
}

void RateMeter::idle() {
    samples_.clear();
}

std::size_t kernel_allowance(double bytes_per_second) {
    return static_cast<std::size_t>(
        std::clamp(bytes_per_second * allowed_seconds, least_allowed, most_allowed));
}

std::string human_rate(double bytes_per_second) {
    const char* const units[] = {"B/s", "kB/s", "MB/s", "GB/s"};
    std::size_t unit = 0;
    while (bytes_per_second >= 1000 && unit + 1 < std::size(units)) {
        bytes_per_second /= 1000;
        ++unit;
    }
    char text[32];
    std::snprintf(text, sizeof text, unit < 2 || bytes_per_second >= 100 ? "%.0f %s" : "%.1f %s",
                  bytes_per_second, units[unit]);
    return text;
}

}  // namespace emprops::hub
