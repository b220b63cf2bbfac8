// Events of one round: one transaction, then what is said of them. (What a kill or a full disk leaves of it:
// integration/local_hub_file_test.cpp.)

#include "supervisor/local_hub/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "supervisor/local_hub/jobs.h"

namespace emprops::local_hub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct BatchTest : testing::Test {
    std::unique_ptr<Store> store = Store::open(":memory:").value();
    std::vector<std::string> heard;
    Batch batch{*store, [this](const Error& why) { heard.push_back("lost: " + why.code); }};

    static Job job(const std::string& id) {
        Job job;
        job.id = id;
        job.type = "sim";
        return job;
    }
    void say(const std::string& word) {
        batch.then([this, word](const Error* lost) { heard.push_back(lost ? word + "?" : word); });
    }
    std::vector<std::string> stored() {
        std::vector<std::string> ids;
        const auto jobs = store->unfinished().value();
        for (const auto& each : jobs)
            ids.push_back(each.id);
        return ids;
    }
};

TEST_F(BatchTest, WhatEventsLeadToIsSaidAtTheEndInItsOrder) {
    batch.begin();
    ASSERT_TRUE(store->insert(job("a"), "{}").ok());
    say("a");
    batch.begin();  // the next event of the same round
    ASSERT_TRUE(store->insert(job("b"), "{}").ok());
    say("b");
    EXPECT_THAT(heard, IsEmpty());
    EXPECT_THAT(stored(), ElementsAre("a", "b")) << "the next event sees the change";
    batch.end();
    EXPECT_THAT(heard, ElementsAre("a", "b"));
    batch.end();
    EXPECT_THAT(heard, ElementsAre("a", "b")) << "once";
}

TEST_F(BatchTest, AnEventThatFailsHarmsOnlyItself) {
    batch.begin();
    auto a = job("a");
    a.sequence = store->insert(a, "{}").value();
    EXPECT_EQ(store->insert(job("a"), "{}").error().code, "exists");
    auto unknown = job("nobody");
    unknown.sequence = 4711;
    EXPECT_FALSE(store->update_with_result(unknown, R"({"r":1})").ok())
        << "no such job: its first half is undone";
    a.status = JobStatus::completed;
    a.completed_at = 1;
    EXPECT_TRUE(store->update_with_result(a, R"({"r":2})").ok());
    EXPECT_TRUE(store->insert(job("b"), "{}").ok());
    say("end");
    batch.end();
    EXPECT_THAT(heard, ElementsAre("end"));
    EXPECT_EQ(store->find("a").value()->result, R"({"r":2})");
    EXPECT_THAT(stored(), ElementsAre("b"));
}

TEST_F(BatchTest, WithoutABeginAChangeIsStoredAtOnce) {
    ASSERT_TRUE(store->insert(job("a"), "{}").ok());
    say("a");
    batch.begin();
    batch.end();
    EXPECT_THAT(heard, ElementsAre("a"));
    ASSERT_TRUE(store->insert(job("b"), "{}").ok()) << "the batch is over";
    EXPECT_TRUE(store->commit().ok());
    EXPECT_THAT(stored(), ElementsAre("a", "b"));
}

TEST_F(BatchTest, WhatIsDoneAtItsEndMayBeginTheNextOne) {
    batch.begin();
    ASSERT_TRUE(store->insert(job("a"), "{}").ok());
    batch.then([this](const Error*) {
        batch.begin();
        ASSERT_TRUE(store->insert(job("b"), "{}").ok());
        say("b");
    });
    say("a");
    batch.end();
    EXPECT_THAT(heard, ElementsAre("a"));
    batch.end();
    EXPECT_THAT(heard, ElementsAre("a", "b"));
}

TEST_F(BatchTest, AMomentWithoutChangesIsNoTransaction) {
    batch.begin();
    EXPECT_TRUE(store->give_back_space(1 << 20).ok());
    say("nothing");
    batch.end();
    EXPECT_THAT(heard, ElementsAre("nothing"));
}

}  // namespace
}  // namespace emprops::local_hub
