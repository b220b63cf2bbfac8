#pragma once
// Columns of a report: what something costs the processes that do it. For the main thread of a benchmark.

#include <sys/types.h>

#include <functional>
#include <string>

#include "tests/benchmarks/report.h"

namespace emprops::bench {

/// `run` has `count` of `one` ("job") done; `connector` 0: it is not measured.
void add_cpu(Report& report, const std::string& row, const std::string& one, int count, pid_t worker,
             pid_t connector, const std::function<void()>& run);
/// Slows the process down meanwhile.
void add_system_calls(Report& report, const std::string& row, const std::string& column, int count, pid_t pid,
                      const std::function<void()>& run);

}  // namespace emprops::bench
