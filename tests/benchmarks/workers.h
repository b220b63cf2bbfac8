#pragma once
// A worker with one simulation connector on a HubScript of its own: ours, or the floor (floor_worker.cpp). For the main
// thread of a benchmark; the destructors end what was started.

#include <sys/types.h>

#include <memory>
#include <string>

#include "tests/benchmarks/hub_script.h"
#include "tests/benchmarks/process_cost.h"
#include "tests/support/child_process.h"

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

/// How floor_worker() starts it.
test::ChildOptions floor_command(const HubScript& hub);

/// A hub and a worker with one simulation connector in one process, at their least (floor_hub.cpp). A client can connect when
/// it is constructed.
class FloorHub {
  public:
    explicit FloorHub(int slots);
    std::uint16_t port() const { return port_; }
    pid_t pid() const { return process_.pid(); }
    pid_t connector_pid() const { return child_of(pid()); }

  private:
    std::uint16_t port_;
    test::ChildProcess process_;
};

}  // namespace emprops::bench
