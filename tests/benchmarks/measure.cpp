#include "tests/benchmarks/measure.h"

#include "tests/benchmarks/process_cost.h"

namespace emprops::bench {

void add_cpu(Report& report, const std::string& row, const std::string& one, int count, pid_t worker,
             pid_t connector, const std::function<void()>& run) {
    const double cpu = cpu_ms(worker);
    const double connector_cpu = connector > 0 ? cpu_ms(connector) : 0;
    run();
    report.add(row, "CPU per " + one + ", ms", (cpu_ms(worker) - cpu) / count);
    if (connector > 0) report.add(row, "its connector's, ms", (cpu_ms(connector) - connector_cpu) / count);
}

void add_system_calls(Report& report, const std::string& row, const std::string& column, int count, pid_t pid,
                      const std::function<void()>& run) {
    SystemCallCount calls(pid);
    run();
    report.add(row, column, static_cast<double>(calls.stop()) / count);
}

}  // namespace emprops::bench
