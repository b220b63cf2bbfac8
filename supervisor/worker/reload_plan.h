#pragma once
// What a reload changes: which connectors start, restart and leave, and what waits for the worker's next
// start. Pure functions.

#include <string>
#include <vector>

#include "config/settings.h"

namespace emprops {

struct ReloadPlan {
    std::vector<std::string> added;       ///< connectors that start
    std::vector<std::string> restarting;  ///< connectors, or "NAME's service", that start anew
    std::vector<std::string> removed;     ///< connectors that leave when their jobs are done
    std::vector<std::string> waiting;     ///< keys that are in force only after a restart of the worker
    bool new_token = false;               ///< for the next connection to the Hub
};

ReloadPlan plan_reload(const config::Settings& running, const config::Settings& fresh);
/// Takes over what can change while the worker runs.
void take_over(config::Settings& running, config::Settings fresh);
/// "reloaded: starting b; restarting a"
std::string to_string(const ReloadPlan& plan);

}  // namespace emprops
