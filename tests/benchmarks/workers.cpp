#include "tests/benchmarks/workers.h"

#include <filesystem>

#include "tests/support/worker_harness.h"

namespace emprops::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds settling{300};

class OurWorker : public Worker {
  public:
    explicit OurWorker(const std::string& durability)
        : worker_({hub.url(),
                   "[connectors.simulation]\n",
                   {},
                   {"--set", "worker.durability=" + durability},
                   {}}) {
        hub.wait_worker();
        worker_.wait_state("simulation", "ready");
        supervisor_ = worker_.supervisor_pid();
        connector_ = worker_.connector("simulation").at("pid").get<pid_t>();
        hub.rest(settling);
    }
    pid_t pid() const override { return supervisor_; }
    pid_t connector_pid() const override { return connector_; }

  private:
    test::TestWorker worker_;
    pid_t supervisor_ = 0, connector_ = 0;
};

class Floor : public Worker {
  public:
    Floor() : process_(options(hub)) {
        hub.wait_worker();
        hub.rest(settling);
    }
    pid_t pid() const override { return process_.pid(); }
    pid_t connector_pid() const override { return 0; }

  private:
    static test::ChildOptions options(const HubScript& hub) {
        const fs::path bin = fs::read_symlink("/proc/self/exe").parent_path();
        test::ChildOptions options;
        options.argv = {(bin / "floor_worker").string(), hub.url().substr(hub.url().rfind(':') + 1),
                        (bin / "emprops-connector-simulation").string()};
        return options;
    }

    test::ChildProcess process_;
};

}  // namespace

std::unique_ptr<Worker> our_worker(const std::string& durability) {
    return std::make_unique<OurWorker>(durability);
}

std::unique_ptr<Worker> floor_worker() {
    return std::make_unique<Floor>();
}

}  // namespace emprops::bench
