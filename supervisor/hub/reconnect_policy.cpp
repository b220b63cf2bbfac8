#include "supervisor/hub/reconnect_policy.h"

#include <algorithm>

namespace emprops::hub {

Ms ReconnectPolicy::next(double random_unit) {
    constexpr int most_doublings = 30;  // 1 ms doubled thirty times is past every sensible `max`
    doublings_ = std::min(doublings_ + 1, most_doublings);
    const auto bound = std::max(min_, std::min<config::Duration>(max_, min_ * (1LL << doublings_)));
    const double span = static_cast<double>((bound - min_).count());
    return min_ + Ms(static_cast<Ms::rep>(span * std::clamp(random_unit, 0.0, 1.0)));
}

}  // namespace emprops::hub
