// Connectors that take fewer jobs than they declare, and jobs that come back while their first run goes on:
// the real programs on the local hub, with a connector in bash (fixtures/connectors/picky.sh).

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "tests/support/job_client.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

std::string picky(const std::string& keys, const std::string& env) {
    return "[connectors.picky]\ncommand = [\"bash\", \"" + std::string(EMPROPS_FIXTURES) +
           "/connectors/picky.sh\"]\ncancel_timeout = \"1s\"\n" + keys + "env = {" + env + "}\n";
}

/// How many jobs were claimed and not ended, at the most, once `settled` jobs had ended. At the hub: a job
/// whose slot is free already counts until its outcome has arrived.
int most_claimed(const std::vector<Json>& messages, int settled) {
    int claimed = 0;
    int ended = 0;
    int most = 0;
    for (const Json& message : messages) {
        if (message.at("type") == "response_job_status" && message.at("status") == "processing") {
            ++claimed;
        } else if (message.at("type") == "response_job_status" && message.at("status") == "pending") {
            --claimed;
        } else if (message.at("type") == "complete_job" || message.at("type") == "fail_job") {
            --claimed;
            ++ended;
        }
        if (ended >= settled) most = std::max(most, claimed);
    }
    return most;
}

int count_in(const std::string& text, const std::string& words) {
    int count = 0;
    for (auto at = text.find(words); at != std::string::npos; at = text.find(words, at + 1))
        ++count;
    return count;
}

void submit_and_complete(JobClient& client, int jobs) {
    std::vector<std::string> ids;
    for (int i = 0; i < jobs; ++i)
        ids.push_back(client.submit("picky", {{"ms", 30}}));
    for (const auto& id : ids)
        EXPECT_EQ(client.completed(id, Ms(60'000)).at("status"), "success");
    for (const Json& message : client.hub.seen())
        EXPECT_NE(message.at("type"), "fail_job") << message.dump();
}

/// Whatever was claimed was begun at once, but for what the connector refused before its slots were known, and
/// for one claim that may have been on its way when it first did.
void expect_claims_that_can_start(const TestWorker& worker, int most_refusals) {
    EXPECT_LE(worker.status().at("jobs").at("not_started"), most_refusals);
    EXPECT_LE(count_in(worker.log(), "waits for a connector"), most_refusals > 0 ? 1 : 0) << worker.log();
}

TEST(Refusal, OfAConnectorWithTwoConfiguredSlotsCompletesEveryJob) {
    TestHub hub;
    TestWorker worker({hub.url(), picky("concurrency = 2\n", ""), {}, {}, {}});
    worker.wait_state("picky", "ready");
    JobClient client(hub);
    submit_and_complete(client, 30);
    EXPECT_LE(most_claimed(client.hub.seen(), 2), 2) << "one that runs, one whose outcome is on its way";
    expect_claims_that_can_start(worker, 1);
    worker.stop_and_wait();
}

TEST(Refusal, OfAConnectorThatDeclaresFourAndTakesOneCompletesEveryJob) {
    TestHub hub;
    TestWorker worker({hub.url(), picky("", "SLOTS = \"4\""), {}, {}, {}});
    worker.wait_state("picky", "ready");
    JobClient client(hub);
    submit_and_complete(client, 20);
    EXPECT_LE(most_claimed(client.hub.seen(), 4), 2);
    expect_claims_that_can_start(worker, 3);
    EXPECT_EQ(count_in(worker.log(), "is taken for a connector of 1 slot instead of 4"), 1) << "told once";
    EXPECT_NE(worker.cli({"why", "picky"}).out.find("1 slot instead of 4"), std::string::npos);
    EXPECT_NE(worker.cli({"status"}).out.find("0/1"), std::string::npos);
    EXPECT_EQ(worker.status().at("jobs").at("held"), 0);
    worker.stop_and_wait();
}

TEST(Refusal, OurConnectorsObeyTheConfiguredConcurrency) {
    TestHub hub;
    TestWorker worker({hub.url(),
                       "[connectors.simulation]\nconcurrency = 2\n"
                       "env = {SIMULATION_PROCESSING_TIME = \"0.05\", SIMULATION_STEPS = \"1\"}\n",
                       {},
                       {},
                       {}});
    worker.wait_state("simulation", "ready");
    JobClient client(hub);
    std::vector<std::string> ids;
    for (int i = 0; i < 30; ++i)
        ids.push_back(client.submit("simulation", Json::object()));
    for (const auto& id : ids)
        client.completed(id);
    expect_claims_that_can_start(worker, 0);
    worker.stop_and_wait();
}

/// A worker on a hub with one process of two slots whose journal can be read.
struct TwoSlots {
    TempDir dir;
    TestHub hub;
    TestWorker worker;
    JobClient client;

    TwoSlots()
        : worker({hub.url(),
                  picky("", "SLOTS = \"2\", TAKES = \"2\", JOURNAL = \"" + (dir.path() / "journal").string() +
                                "\""),
                  {},
                  {},
                  {}}),
          client(hub) {
        worker.wait_state("picky", "ready");
    }
    /// The processes in which the job was begun, in order.
    std::vector<std::string> starts(const std::string& job_id) const {
        std::ifstream file(dir.path() / "journal");
        std::vector<std::string> pids;
        for (std::string word, pid, attempt, id; file >> word >> pid;) {
            EXPECT_NE(word, "TWICE") << "a process got a job that it held";
            std::getline(file, id);
            if (id.find('"' + job_id + '"') != std::string::npos) pids.push_back(pid);
        }
        return pids;
    }
    void expect_second_run_counts(const std::string& job_id) {
        EXPECT_NE(client.failed(job_id).find("protocol_error"), std::string::npos);
        const Json result = client.completed(job_id);
        const auto pids = starts(job_id);
        ASSERT_EQ(pids.size(), 2u);
        EXPECT_EQ(result.at("attempt"), 2) << "the answer to the first run ended the second";
        EXPECT_EQ(std::to_string(result.at("pid").get<int>()), pids.back());
    }
};

TEST(OneRunPerProcess, ALateAnswerThatComesFirstLetsTheSecondRunBeginInTheSameProcess) {
    TwoSlots it;
    const auto other = it.client.submit("picky", {{"ms", 1500}});
    const auto job = it.client.submit("picky", {{"breaks", true}, {"late_ms", 300}, {"ms", 500}});
    it.expect_second_run_counts(job);
    const auto pids = it.starts(job);
    EXPECT_EQ(pids.front(), pids.back());
    it.client.completed(other);
    it.worker.stop_and_wait();
}

TEST(OneRunPerProcess, ALateAnswerDuringTheSecondRunIsSwallowed) {
    TwoSlots it;
    const auto other = it.client.submit("picky", {{"ms", 4000}});
    const auto job = it.client.submit("picky", {{"breaks", true}, {"late_ms", 2500}, {"ms", 2500}});
    it.expect_second_run_counts(job);
    const auto pids = it.starts(job);
    EXPECT_NE(pids.front(), pids.back()) << "replaced after cancel_timeout, busy or not";
    EXPECT_EQ(std::to_string(it.client.completed(other).at("pid").get<int>()), pids.front())
        << "what ran there ran on";
    EXPECT_NE(it.worker.log().find("has answered a run that had ended already"), std::string::npos);
    EXPECT_EQ(it.worker.connector("picky").at("counters").at("deaths"), 0) << "a planned replacement";
    it.worker.stop_and_wait();
}

TEST(OneRunPerProcess, AnIdleProcessThatNeverAnswersIsReplacedAtOnce) {
    TwoSlots it;
    const auto job = it.client.submit("picky", {{"breaks", true}, {"late_ms", 100'000}, {"ms", 50}});
    it.expect_second_run_counts(job);
    const auto pids = it.starts(job);
    EXPECT_NE(pids.front(), pids.back());
    EXPECT_EQ(it.worker.connector("picky").at("counters").at("deaths"), 0);
    EXPECT_EQ(it.worker.connector("picky").at("state"), "ready");
    it.worker.stop_and_wait();
}

}  // namespace
}  // namespace emprops::test
