// `check-config`: what is in force, and where each value comes from. Touches no network; of connectors it starts only our
// own, for a moment, to ask what they think of their settings.

#include <cstdio>

#include "supervisor/base/exit_codes.h"
#include "supervisor/cli/common.h"
#include "supervisor/cli/settings_check.h"

namespace emprops::cli {

int check_config(const Common& common) {
    const auto loaded = config::load(request_for(common));
    std::fputs(config::print_effective(loaded).c_str(), stdout);
    std::fflush(stdout);
    std::size_t errors = 0;
    const auto tell = [&errors](const std::vector<config::Problem>& problems) {
        for (const auto& problem : problems) {
            complain(config::to_string(problem));
            if (problem.severity == config::Severity::error) ++errors;
        }
    };
    tell(loaded.problems);
    tell(loaded.notes);
    if (loaded.ok()) tell(check_programs(loaded.settings, own_directory()));
    if (errors == 0) return exit_ok;
    complain(std::to_string(errors) + (errors == 1 ? " error" : " errors") +
             " in the configuration: `run` would " +
             (loaded.ok() ? "not get its connectors to work" : "refuse to start"));
    return exit_config;
}

}  // namespace emprops::cli
