#pragma once
// A worker whose connectors deliver files, with its local hub and a client, for end-to-end tests of files of results. The
// connectors are scripts of tests/fixtures/connectors that note each run of a job. For one test thread.

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/job_client.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {

namespace fs = std::filesystem;

/// Of "hello", which the connector files.sh writes.
inline const std::string hello_sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

inline std::string text_of(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

struct FilesPlaceOptions {
    std::string stores = "";  ///< [stores.results]; empty: a folder
    std::string files = "deliver = [\"results\", \"inline\"]\n";
    std::string connector = "";        ///< more rows of [connectors.NAME]
    std::string fixture = "files.sh";  ///< the connector is called as its script is
    bool script_in_command = false;    ///< for a user that may not read where the sources are
    std::vector<std::string> arguments{};
    std::vector<std::string> launcher{};
};

struct FilesPlace {
    TempDir dir;
    TestHub hub;
    std::optional<TestWorker> worker;
    JobClient client{hub};

    explicit FilesPlace(const FilesPlaceOptions& options = {}) {
        const std::string name = options.fixture.substr(0, options.fixture.find('.'));
        fs::create_directories(store());
        const fs::path script = fs::path(EMPROPS_FIXTURES) / "connectors" / options.fixture;
        const std::string command = options.script_in_command ? "\"-c\", '''" + text_of(script) + "'''"
                                                              : "\"" + script.string() + "\"";
        const std::string toml = (options.stores.empty() ? folder_store() : options.stores) + "[files]\n" +
                                 options.files + "[connectors." + name + "]\ncommand = [\"bash\", " +
                                 command + "]\nenv = {RUNS = \"" + runs().string() + "\"}\n" +
                                 options.connector;
        worker.emplace(TestWorkerOptions{hub.url(), toml, {}, options.arguments, {}, options.launcher});
        worker->wait_state(name, "ready");
        worker->wait_state("courier", "ready");
    }
    std::string folder_store() const {
        return "[stores.results]\ntype = \"directory\"\npath = \"" + store().string() + "\"\n";
    }
    fs::path store() const { return dir.path() / "store"; }
    fs::path runs() const { return dir.path() / "runs"; }
    fs::path state() const { return worker->dir().path() / "state"; }
    fs::path spool() const { return state() / "spool"; }
    int count_runs() const {
        const std::string text = text_of(runs());
        return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
    }
    int pid_of(const std::string& connector) const {
        return worker->connector(connector).at("pid").get<int>();
    }

    // ---- until
    /// Nothing of a job is in the spool.
    void wait_empty_spool() const {
        EXPECT_TRUE(wait_until([&] { return !fs::exists(spool()) || fs::is_empty(spool()); }))
            << worker->log();
    }
    void wait_job(const std::string& job_id, const std::string& state) const {
        EXPECT_TRUE(wait_until([&] {
            const Json page = Json::parse(worker->cli({"jobs", "--json"}).out);
            return std::any_of(page.at("jobs").begin(), page.at("jobs").end(), [&](const Json& job) {
                return job.at("job_id") == job_id && job.at("state") == state;
            });
        })) << worker->log();
    }
    void wait_delivering(const std::string& job_id) const { wait_job(job_id, "delivering"); }
    /// The ledger notes that the files of this job are on their way.
    void wait_noted(const std::string& job_id) const {
        EXPECT_TRUE(wait_until([&] {
            for (const auto& each : fs::directory_iterator(state() / "ledger")) {
                if (each.path().extension() != ".journal") continue;
                std::ifstream journal(each.path());
                for (std::string line; std::getline(journal, line);)
                    if (line.find("\"job_id\":\"" + job_id + "\"") != line.npos &&
                        line.find("\"state\":\"delivering\"") != line.npos)
                        return true;
            }
            return false;
        })) << worker->log();
    }

    // ---- what is done to it
    void kill_worker() {
        ASSERT_EQ(::kill(worker->supervisor_pid(), SIGKILL), 0);
        ASSERT_TRUE(worker->process().wait());
    }
    /// Ends at the Hub, by job; a failed attempt is one, unless only completions count.
    std::map<std::string, int> ends(bool attempts = true) const {
        std::map<std::string, int> ends;
        for (const Json& message : client.hub.seen())
            if (message.at("type") == "complete_job" || (attempts && message.at("type") == "fail_job"))
                ++ends[message.at("job_id")];
        return ends;
    }
};

}  // namespace emprops::test
