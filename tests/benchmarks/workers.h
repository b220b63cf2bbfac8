#pragma once
// A worker with one simulation connector on a HubScript of its own: ours, or the floor (floor_worker.cpp). For the main
// thread of a benchmark; the destructors end what was started.

#include <sys/types.h>

#include <memory>
#include <string>

#include "tests/benchmarks/hub_script.h"

namespace emprops::bench {

class Worker {
  public:
    virtual ~Worker() = default;
    virtual pid_t pid() const = 0;
    /// 0: it is not measured.
    virtual pid_t connector_pid() const = 0;
    HubScript hub;
};

/// Both wait until it is ready. `durability`: as worker.durability.
std::unique_ptr<Worker> our_worker(const std::string& durability);
std::unique_ptr<Worker> floor_worker();

}  // namespace emprops::bench
