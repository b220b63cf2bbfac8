#pragma once
// A worker with the embedded hub, and what a load of jobs costs it. For the main thread of a benchmark; the destructor ends
// what was started.

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/benchmarks/load_client.h"
#include "tests/support/worker_harness.h"

namespace emprops::bench {

struct EmbeddedOptions {
    std::string durability = "process";                    ///< as worker.durability
    std::string connectors = "[connectors.simulation]\n";  ///< TOML; the first jobs need `ready` of these:
    std::vector<std::string> ready{"simulation"};
    std::string database = {};  ///< of the hub; empty: a new one
};

class EmbeddedWorker {
  public:
    /// Waits until the connectors of `options.ready` are.
    explicit EmbeddedWorker(EmbeddedOptions options = {});
    std::uint16_t port() const { return port_; }
    /// Hub and supervisor.
    pid_t pid() const { return pid_; }
    /// Of options.ready.
    const std::vector<pid_t>& connectors() const { return connectors_; }

  private:
    std::uint16_t port_;
    test::TestWorker worker_;
    pid_t pid_ = 0;
    std::vector<pid_t> connectors_;
};

}  // namespace emprops::bench
