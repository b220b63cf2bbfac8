// kill -9 of each process at each step that a file takes: its job ends once, nothing runs twice, one object is there under
// its one name, and none is missing. Each step is held by something that is seen: the ledger's record, the job's state,
// the store's server.

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <set>
#include <tuple>

#include "tests/support/files_place.h"
#include "tests/support/s3_double.h"

namespace emprops::test {
namespace {

using Kind = S3Fault::Kind;

enum class Victim { connector, courier, worker };
enum class Step {
    noted,    ///< the outcome is in the ledger, the folder where the connector made it (the spool is full)
    taken,    ///< in the spool; the courier has not begun
    sending,  ///< the store has the head of the request, and not the body
    stored,   ///< the object is there, and the courier has not heard of that
};
constexpr const char* victims[] = {"Connector", "Courier", "Worker"};
constexpr const char* steps[] = {"Noted", "Taken", "Sending", "Stored"};

std::string store_of(const S3Double& server) {
    return "[stores.results]\ntype = \"s3\"\nendpoint = \"" + server.endpoint() +
           "\"\nbucket = \"results\"\naccess_key = \"AK\"\nsecret_key = \"secret\"\ntimeout = \"2s\"\n";
}

struct Killed {
    S3Double server;
    FilesPlace place{{.stores = store_of(server), .files = "deliver = [\"results\"]\nspool_max_jobs = 1\n"}};
    std::vector<std::string> ids;

    void submit() { ids.push_back(place.client.submit("files", Json::object())); }
    void hold(Kind kind) { server.fail({.method = "PUT", .text = "", .kind = kind, .count = 1'000'000}); }
    void reach(Step step) {
        if (step == Step::taken) {
            ASSERT_EQ(::kill(place.pid_of("courier"), SIGSTOP), 0);
            submit();
            return place.wait_delivering(ids.front());
        }
        hold(step == Step::stored ? Kind::mute : Kind::stall);
        submit();
        place.wait_delivering(ids.front());
        EXPECT_TRUE(wait_until([&] { return server.faults_met() > 0; }));
        if (step != Step::noted) return;
        submit();
        place.wait_noted(ids.back());
    }
    void kill(Victim victim) {
        if (victim == Victim::worker) return place.kill_worker();
        ASSERT_EQ(::kill(place.pid_of(victim == Victim::courier ? "courier" : "files"), SIGKILL), 0);
    }
    void go_on(Step step, Victim victim) {
        server.clear_faults();
        if (victim == Victim::worker) place.worker->start();
        if (step != Step::taken || victim != Victim::connector) return;
        ASSERT_EQ(::kill(place.pid_of("courier"), SIGCONT), 0);
    }
    void expect_one_of_each() {
        std::vector<std::string> names;
        for (const std::string& id : ids) {
            EXPECT_EQ(place.client.completed(id, Ms(60'000)).at("text").at("sha256"), hello_sha256);
            names.push_back("/results/" + id + "/a.txt");
            const auto object = server.object(names.back());
            ASSERT_TRUE(object) << testing::PrintToString(server.object_names());
            EXPECT_EQ(object->body, "hello");
        }
        std::sort(names.begin(), names.end());
        EXPECT_EQ(server.object_names(), names) << "no second object under another key";
        EXPECT_EQ(place.count_runs(), static_cast<int>(ids.size())) << "nothing is rendered again";
        for (const auto& [id, count] : place.ends())
            EXPECT_EQ(count, 1) << id;
        EXPECT_EQ(place.ends().size(), ids.size());
        place.wait_empty_spool();
        EXPECT_TRUE(wait_until([&] { return place.worker->status().at("ledger").at("records") == 0; }));
        place.worker->stop_and_wait();
    }
};

struct FilesKill : testing::TestWithParam<std::tuple<Victim, Step>> {};

TEST_P(FilesKill, CostsTimeAndNothingElse) {
    const auto [victim, step] = GetParam();
    Killed killed;
    killed.reach(step);
    killed.kill(victim);
    killed.go_on(step, victim);
    killed.expect_one_of_each();
}

INSTANTIATE_TEST_SUITE_P(Each, FilesKill,
                         testing::Combine(testing::Values(Victim::connector, Victim::courier, Victim::worker),
                                          testing::Values(Step::noted, Step::taken, Step::sending,
                                                          Step::stored)),
                         [](const auto& info) {
                             return std::string(victims[static_cast<int>(std::get<0>(info.param))]) + "When" +
                                    steps[static_cast<int>(std::get<1>(info.param))];
                         });

/// Between the note and the courier lie two steps that take microseconds: what a worker that is killed there leaves is
/// made by hand of what one leaves that is killed before them.
struct FilesLeft : Killed, testing::Test {
    fs::path scratch, spooled;

    void SetUp() override {
        reach(Step::noted);
        kill(Victim::worker);
        for (const auto& each : fs::directory_iterator(place.state() / "work" / "files-0" / "jobs"))
            if (fs::exists(each.path() / "out")) scratch = each.path();
        ASSERT_FALSE(scratch.empty());
        std::set<std::string> names;
        for (const auto& each : fs::directory_iterator(place.spool()))
            names.insert(each.path().filename());
        ASSERT_EQ(names.size(), 1u);
        spooled =
            place.spool() / std::to_string(std::stoull(*names.begin()) + 1);  // assigned one after the other
    }
    void start() {
        server.clear_faults();
        place.worker->start();
    }
};

TEST_F(FilesLeft, ByAWorkerThatWasKilledRightAfterTheRename) {
    fs::rename(scratch, spooled);
    start();
    expect_one_of_each();
}

TEST_F(FilesLeft, ByAWorkerThatWasKilledWhileItCopiedOverTheBorderOfADisk) {
    const fs::path taken = place.state() / "work" / "taken" / spooled.filename();
    fs::create_directories(taken.parent_path());
    fs::rename(scratch, taken);
    fs::create_directories(spooled / "out");
    std::ofstream(spooled / "out" / "a.txt") << "he";
    start();
    expect_one_of_each();
    EXPECT_TRUE(fs::is_empty(taken.parent_path()));
}

TEST_F(FilesLeft, WhoseConnectorIsNotConfiguredAnyMore) {
    const fs::path config = place.worker->dir() / "emprops-worker.toml";
    std::string text = text_of(config);
    text.replace(text.find("[connectors.files]"), 18, "[connectors.other]");
    std::ofstream(config) << text;
    start();
    expect_one_of_each();
}

TEST_F(FilesLeft, AndLostSinceFailsItsJobAndSaysSo) {
    fs::remove_all(scratch);
    start();
    const std::string error = place.client.failed(ids.back(), Ms(60'000));
    EXPECT_NE(error.find(spooled.string()), std::string::npos) << error;
    EXPECT_EQ(place.client.completed(ids.front()).at("text").at("sha256"), hello_sha256);
    place.worker->stop_and_wait();
}

}  // namespace
}  // namespace emprops::test
