// A worker is replaced by a newer one: what 7781cf9 left on disk when it was killed works with this one. The fixture
// (tests/fixtures/upgrade) is what that version wrote: a state folder with an unfinished job and an outcome that no Hub
// had acknowledged, and the database of a local hub with a finished and a pending job besides these two.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "ipc/web/digest.h"
#include "tests/support/job_client.h"
#include "tests/support/supervision_bench.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path fixture = fs::path(EMPROPS_SOURCE_DIR) / "tests/fixtures/upgrade";

std::string whole(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
}

/// A record is about one Hub, which here has another port: the record as that version would have written it.
std::string record_for(std::string record, const std::string& old_url, const std::string& url) {
    replace_all(record, old_url, url);
    const std::string mark = "\"checksum\":\"";
    const std::size_t sum = record.find(mark) + mark.size();
    constexpr std::size_t digits = 64;
    return record.replace(sum, digits, sha256_hex(std::string_view(record).substr(sum + digits + 2)));
}

/// Finished jobs are forgotten after days: the ones of the fixture have just ended.
void make_young(const fs::path& database) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(database.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db,
                           "UPDATE jobs SET created_at = unixepoch() - 60;"
                           "UPDATE jobs SET completed_at = unixepoch() - 50 WHERE completed_at > 0",
                           nullptr, nullptr, nullptr),
              SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
}

TEST(Upgrade, WhatAnEarlierVersionLeftIsGoneOnWith) {
    const Json jobs = Json::parse(whole(fixture / "jobs.json"));
    const std::string finished = jobs.at("finished"), unfinished = jobs.at("unfinished"),
                      undelivered = jobs.at("undelivered"), pending = jobs.at("pending");
    TempDir dir;
    fs::copy_file(fixture / "hub.sqlite", dir / "hub.sqlite");
    make_young(dir / "hub.sqlite");
    TestHub hub({"local_hub.database=" + (dir / "hub.sqlite").string()});

    TestWorkerOptions options;
    options.hub_url = hub.url();
    options.toml =
        "[hub]\nclaim_timeout = \"10s\"\n[connectors.simulation]\nbackoff_jitter = 0.2\n"
        "env = {SIMULATION_RESUME = \"1\", SIMULATION_JOURNAL = \"" +
        (dir / "journal").string() + "\"}\n";
    const fs::path state = fixture / "state";
    for (const auto& entry : fs::recursive_directory_iterator(state)) {
        if (!entry.is_regular_file()) continue;
        const std::string name = "state/" + entry.path().lexically_relative(state).string();
        std::string text = whole(entry.path());
        if (entry.path().extension() == ".json") text = record_for(text, jobs.at("hub"), hub.url());
        options.files[name] = text;
    }
    TestWorker worker(options);
    worker.wait_log("`hub.claim_timeout` is no setting any more");
    worker.wait_log("1 finished and 1 unfinished");

    for (const std::string& job : {finished, unfinished, undelivered, pending})
        EXPECT_EQ(wait_job_status(hub, job, "completed", Ms(40'000)), "completed") << job << "\n"
                                                                                   << worker.log();
    auto starts = read_journal(dir / "journal");
    EXPECT_EQ(starts[finished].size(), 0u);
    EXPECT_EQ(starts[undelivered].size(), 0u) << "it was run again although it was done";
    EXPECT_THAT(starts[unfinished], testing::ElementsAre(2))
        << "it was given with `resume`, as its second attempt";
    EXPECT_THAT(starts[pending], testing::ElementsAre(1));
    EXPECT_TRUE(wait_until([&] { return worker.status().at("ledger").at("records") == 0; }))
        << worker.status().at("ledger");
    EXPECT_THAT(worker.log(), testing::Not(HasSubstr("corrupt")));
    worker.stop_and_wait();
}

}  // namespace
}  // namespace emprops::test
