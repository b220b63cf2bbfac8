// `check-config`: what is in force, and where each value comes from. Touches no network and starts nothing.

#include <cstdio>

#include "supervisor/base/exit_codes.h"
#include "supervisor/cli/common.h"

namespace emprops::cli {

int check_config(const Common& common) {
    const auto loaded = config::load(request_for(common));
    std::fputs(config::print_effective(loaded).c_str(), stdout);
    std::fflush(stdout);
    std::size_t errors = 0;
    for (const auto& problem : loaded.problems) {
        complain(config::to_string(problem));
        if (problem.severity == config::Severity::error) ++errors;
    }
    if (errors == 0) return exit_ok;
    complain(std::to_string(errors) + (errors == 1 ? " error" : " errors") +
             " in the configuration: `run` would refuse to start");
    return exit_config;
}

}  // namespace emprops::cli
