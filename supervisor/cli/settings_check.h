#pragma once
// What check-config finds out about connectors beyond the configuration: whether their programs exist, and what our own
// say of their settings. Such a program is started for a moment with `--check-settings`, as its instance 0 would be, and
// does nothing but read them. Blocking.

#include <filesystem>
#include <vector>

#include "config/load.h"

namespace emprops::cli {

/// `bin_dir`: where our own executable is.
std::vector<config::Problem> check_programs(const config::Settings& settings,
                                            const std::filesystem::path& bin_dir);

}  // namespace emprops::cli
