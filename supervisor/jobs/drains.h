#pragma once
// How jobs end when an operator drains a connector or the whole worker, or the worker leaves.

#include <string_view>

namespace emprops::jobs {

enum class DrainMode {
    graceful,  ///< running jobs finish, no limit
    deadline,  ///< running jobs finish until the deadline, then they are given back
    now,       ///< running jobs are given back at once
};
/// From its name in settings and requests, which has been checked: now, deadline, else graceful.
DrainMode drain_mode(std::string_view name);

}  // namespace emprops::jobs
