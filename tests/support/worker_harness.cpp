#include "tests/support/worker_harness.h"

#include <cstdlib>
#include <stdexcept>

#include "tests/support/free_ports.h"

namespace emprops::test {
namespace {

/// What a program of ours may see of the environment: enough to run, nothing that configures it.
std::vector<std::string> clean_environment(const std::filesystem::path& home, std::vector<std::string> more) {
    std::vector<std::string> env{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + home.string(),
                                 "LANG=C.UTF-8"};
    for (const char* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"}) {
        if (const char* value = ::getenv(name)) env.push_back(std::string(name) + "=" + value);
    }
    env.insert(env.end(), more.begin(), more.end());
    return env;
}

std::unique_ptr<ChildProcess> start_program(std::vector<std::string> argv,
                                            const std::filesystem::path& directory,
                                            std::vector<std::string> env) {
    ChildOptions options;
    options.argv = std::move(argv);
    options.env = clean_environment(directory, std::move(env));
    options.inherit_env = false;
    options.working_directory = directory.string();
    return std::make_unique<ChildProcess>(std::move(options));
}

}  // namespace

std::string worker_binary() {
    // A benchmark compares two builds so.
    const char* other = std::getenv("EMPROPS_BIN_DIR");
    return std::string(other != nullptr ? other : EMPROPS_BIN_DIR) + "/emprops-worker";
}

// ---- TestHub

TestHub::TestHub(std::vector<std::string> settings) : settings_(std::move(settings)), port_(free_ports()) {
    start();
}

std::string TestHub::url() const {
    return "ws://127.0.0.1:" + std::to_string(port_);
}

void TestHub::kill() {
    process_->signal(SIGKILL);
    process_->wait();
    process_.reset();
}

void TestHub::start() {
    std::vector<std::string> argv{worker_binary(), "hub",
                                  "--set",         "local_hub.port=" + std::to_string(port_),
                                  "--set",         "local_hub.database=" + (dir_ / "hub.sqlite").string()};
    for (const auto& setting : settings_) {
        argv.push_back("--set");
        argv.push_back(setting);
    }
    process_ = start_program(std::move(argv), dir_.path(), {});
    if (!process_->wait_stderr("local hub serves " + url(), Ms(20'000)))
        throw std::runtime_error("the hub did not start:\n" + process_->stderr_text());
}

// ---- TestWorker

TestWorker::TestWorker(TestWorkerOptions options) : options_(std::move(options)) {
    dir_.write_file("emprops-worker.toml",
                    "[worker]\nid = \"test\"\nstate_dir = \"state\"\n\n" + options_.toml);
    for (const auto& [name, text] : options_.files)
        dir_.write_file(name, text);
    start();
}

TestWorker::~TestWorker() = default;

void TestWorker::start() {
    std::vector<std::string> argv{worker_binary(), "run"};
    if (!options_.hub_url.empty()) argv.insert(argv.end(), {"--hub", options_.hub_url});
    argv.insert(argv.end(), options_.arguments.begin(), options_.arguments.end());
    argv.insert(argv.begin(), options_.launcher.begin(), options_.launcher.end());
    process_ = start_program(std::move(argv), dir_.path(), options_.env);
}

void TestWorker::wait_log(const std::string& text, Ms deadline) {
    if (!process_->wait_stderr(text, deadline))
        throw std::runtime_error("'" + text + "' did not appear in the log:\n" + log());
}

TestWorker::Output run_program(std::vector<std::string> arguments, const std::filesystem::path& directory,
                               Ms deadline, std::vector<std::string> env,
                               const std::vector<std::string>& launcher) {
    arguments.insert(arguments.begin(), worker_binary());
    arguments.insert(arguments.begin(), launcher.begin(), launcher.end());
    const auto process = start_program(std::move(arguments), directory, std::move(env));
    process->close_stdin();
    TestWorker::Output output;
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (true) {
        const auto left = std::chrono::duration_cast<Ms>(end - std::chrono::steady_clock::now());
        const auto line = process->read_line(std::max(left, Ms(0)));
        if (!line) break;
        output.out += *line + "\n";
    }
    const auto left = std::chrono::duration_cast<Ms>(end - std::chrono::steady_clock::now());
    const auto status = process->wait(std::max(left, Ms(1000)));
    output.exit_code = status && status->signal == 0 ? status->code : -1;
    process->wait_stderr_end(Ms(2'000));
    output.err = process->stderr_text();
    return output;
}

TestWorker::Output TestWorker::cli(std::vector<std::string> arguments, Ms deadline) const {
    if (!options_.hub_url.empty()) arguments.insert(arguments.end(), {"--hub", options_.hub_url});
    return run_program(std::move(arguments), dir_.path(), deadline, options_.env);
}

nlohmann::json TestWorker::status() const {
    Output output;
    // Right after the start nobody listens on the control socket yet.
    const bool answered = wait_until([&] {
        output = cli({"status", "--json"});
        return output.exit_code == 0;
    });
    if (!answered) throw std::runtime_error("status failed: " + output.err + "\n" + log());
    return nlohmann::json::parse(output.out);
}

nlohmann::json TestWorker::connector(const std::string& name, int index) const {
    const auto page = status();
    for (const auto& one : page.at("connectors")) {
        if (one.at("name") == name && one.at("index") == index) return one;
    }
    return nullptr;
}

void TestWorker::wait_state(const std::string& name, const std::string& state, Ms deadline) const {
    nlohmann::json last;
    const bool there = wait_until(
        [&] {
            last = connector(name);
            return last.is_object() && last.at("state") == state;
        },
        deadline);
    if (!there)
        throw std::runtime_error(name + " did not become " + state + ": " + last.dump(2) + "\n" + log());
}

void TestWorker::stop_and_wait(int expected_exit) {
    process_->signal(SIGTERM);
    const auto status = process_->wait(Ms(30'000));
    process_->wait_stderr_end(Ms(2'000));  // its last lines may still be on their way
    if (!status || status->signal != 0 || status->code != expected_exit) {
        throw std::runtime_error("the worker did not end with " + std::to_string(expected_exit) + ":\n" +
                                 log());
    }
}

}  // namespace emprops::test
