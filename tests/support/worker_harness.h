#pragma once
// The real programs for end-to-end tests: a local hub on a free port and a worker on it, each with folders of
// its own. For one test thread; destructors end what was started.

#include <csignal>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace emprops::test {

std::string worker_binary();

/// `emprops-worker hub`. Throws std::runtime_error if it does not come up.
class TestHub {
  public:
    explicit TestHub(std::vector<std::string> settings = {});
    std::uint16_t port() const { return port_; }
    pid_t pid() const { return process_->pid(); }
    std::string url() const;
    /// Ends it with SIGKILL.
    void kill();
    /// Starts it again on the same port with the same database.
    void start();

  private:
    TempDir dir_;
    std::vector<std::string> settings_;
    std::uint16_t port_;
    std::unique_ptr<ChildProcess> process_;
};

struct TestWorkerOptions {
    std::string hub_url;
    std::string toml;                          ///< emprops-worker.toml
    std::map<std::string, std::string> files;  ///< more files beside it, for example ".env"
    std::vector<std::string> arguments;        ///< after `run`
    std::vector<std::string> env;
    std::vector<std::string> launcher = {};  ///< a program with its arguments that executes what follows them
};

/// `emprops-worker run` in a folder of its own; the environment has none of the variables that the worker
/// reads but those of `options.env`.
class TestWorker {
  public:
    explicit TestWorker(TestWorkerOptions options);
    ~TestWorker();

    ChildProcess& process() { return *process_; }
    const TempDir& dir() const { return dir_; }
    /// Waits for a text in the log; throws with the log when it does not come.
    void wait_log(const std::string& text, Ms deadline = Ms(20'000));
    std::string log() const { return process_->stderr_text(); }

    /// Runs `emprops-worker ARGUMENTS...` with this worker's configuration.
    struct Output {
        int exit_code = -1;
        std::string out;
        std::string err;
    };
    Output cli(std::vector<std::string> arguments, Ms deadline = Ms(30'000)) const;
    nlohmann::json status() const;
    /// The status of one connector instance; null if it is not loaded.
    nlohmann::json connector(const std::string& name, int index = 0) const;
    /// Waits until the connector is in this state; throws with its status otherwise.
    void wait_state(const std::string& name, const std::string& state, Ms deadline = Ms(20'000)) const;
    int supervisor_pid() const { return status().at("worker").at("pid").get<int>(); }

    void start();
    void stop_and_wait(int expected_exit = 0);

  private:
    TempDir dir_;
    TestWorkerOptions options_;
    std::unique_ptr<ChildProcess> process_;
};

/// Runs a program of ours to its end; `launcher` is as in TestWorkerOptions.
TestWorker::Output run_program(std::vector<std::string> arguments, const std::filesystem::path& directory,
                               Ms deadline = Ms(30'000), std::vector<std::string> env = {},
                               const std::vector<std::string>& launcher = {});

}  // namespace emprops::test
