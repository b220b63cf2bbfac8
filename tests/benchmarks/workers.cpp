#include "tests/benchmarks/workers.h"

#include <filesystem>
#include <stdexcept>

#include "tests/support/free_ports.h"
#include "tests/support/worker_harness.h"

namespace emprops::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds settling{300};

/// A program of this build with a simulation connector of the build that is measured.
test::ChildOptions floor_of(const std::string& program, std::vector<std::string> arguments,
                            std::uint16_t port) {
    const fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
    const fs::path measured = fs::path(test::worker_binary()).parent_path();
    test::ChildOptions options;
    options.argv = {(here / program).string(), std::to_string(port),
                    (measured / "emprops-connector-simulation").string()};
    options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
    return options;
}

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
    Floor() : process_(floor_command(hub)) {
        hub.wait_worker();
        hub.rest(settling);
    }
    pid_t pid() const override { return process_.pid(); }
    pid_t connector_pid() const override { return 0; }

  private:
    test::ChildProcess process_;
};

}  // namespace

test::ChildOptions floor_command(const HubScript& hub) {
    return floor_of("floor_worker", {}, hub.port());
}

FloorHub::FloorHub(int slots)
    : port_(test::free_ports()), process_(floor_of("floor_hub", {std::to_string(slots)}, port_)) {
    if (!process_.read_line())
        throw std::runtime_error("floor_hub does not listen: " + process_.stderr_text());
}

std::unique_ptr<Worker> our_worker(const std::string& durability) {
    return std::make_unique<OurWorker>(durability);
}

std::unique_ptr<Worker> floor_worker() {
    return std::make_unique<Floor>();
}

}  // namespace emprops::bench
