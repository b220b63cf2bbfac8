#include "connectors/comfyui/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::comfyui {
namespace {

TEST(Health, ASuspicionEndsOnlyWhenTheServerWasGoneAndIsBack) {
    Health health;
    EXPECT_TRUE(health.on_probe("")->available);
    EXPECT_FALSE(health.on_suspicion({"fault", true, ""})->available);
    EXPECT_FALSE(health.on_probe(""));  // answers, and did before: nothing changed
    EXPECT_FALSE(health.on_probe("timed out")->connected);
    EXPECT_FALSE(health.on_probe("")->available);  // slow is not gone
    EXPECT_FALSE(health.on_probe("refused", true)->connected);
    EXPECT_TRUE(health.on_probe("")->available);
    EXPECT_EQ(health.on_disk("full")->reason, "full");
}

Queue running(const std::string& id, Json mark = nullptr) {
    Queue queue;
    if (!id.empty()) queue.running.push_back({id, 0, {}, std::move(mark)});
    return queue;
}

TEST(Health, ASilentWorkerThreadIsTrustedAgainWhenTheQueueGoesOnButAFaultIsNot) {
    Health health;
    health.on_probe("");
    health.on_suspicion({"silent", false, "x"});
    EXPECT_FALSE(health.on_queue(running("x")));
    EXPECT_TRUE(health.on_queue(running("y"))->available);
    health.on_suspicion({"nothing runs", false, ""});
    EXPECT_FALSE(health.on_queue(running("")));
    EXPECT_TRUE(health.on_queue(running("y"))->available);
    health.on_suspicion({"fault", true, ""});
    EXPECT_FALSE(health.on_queue(running("y")));
}

class OrphansTest : public testing::Test {
  protected:
    std::vector<Orphan> look(const Queue& queue, int after_s) {
        now += std::chrono::seconds{after_s};
        return orphans.look(
            queue, "s", 0, [&](const QueueItem& item) { return item.prompt_id == has_job; }, now);
    }
    Json mark(int instance = 0) const { return {{"space", "s"}, {"instance", instance}, {"job_id", "j"}}; }
    Orphans orphans{Ms{90'000}, Ms{300'000}};
    TimePoint now{};
    std::string has_job;
};

TEST_F(OrphansTest, OnlyOurOwnThatNobodyWaitsForAndOnlyAfterTheGrace) {
    Queue queue = running("mine", mark());
    queue.pending = {{"foreign", 1, {}, {}}, {"other-instance", 2, {}, mark(1)}, {"wanted", 3, {}, mark()}};
    has_job = "wanted";
    EXPECT_TRUE(look(queue, 0).empty());
    EXPECT_TRUE(look(queue, 60).empty());
    has_job = "mine";  // resumed meanwhile, and dead again: its time starts anew
    EXPECT_TRUE(look(queue, 60).empty());
    has_job = "wanted";
    EXPECT_TRUE(look(queue, 1).empty());
    EXPECT_EQ(look(queue, 91), (std::vector<Orphan>{{"mine", true}}));
}

TEST_F(OrphansTest, AWithdrawnPromptThatRunsOnIsReportedAndThenSuspected) {
    orphans.unwanted("p", false, now);
    const Queue queue = running("p");
    EXPECT_EQ(look(queue, 0), (std::vector<Orphan>{{"p", true}}));
    EXPECT_EQ(orphans.lingering(), "");
    EXPECT_TRUE(look(queue, 1).empty());  // not interrupted every second
    EXPECT_EQ(orphans.lingering(), "p");
    EXPECT_EQ(look(queue, 10).size(), 1u);
    EXPECT_FALSE(orphans.stuck(now));
    look(queue, 300);
    EXPECT_TRUE(orphans.stuck(now));
    EXPECT_FALSE(orphans.stuck(now));  // said once
    look(Queue{}, 1);
    EXPECT_EQ(orphans.lingering(), "");
    EXPECT_FALSE(orphans.any_unwanted());
}

TEST_F(OrphansTest, APostWithoutAnAnswerMayTurnUpForAMinute) {
    orphans.unwanted("p", true, now);
    EXPECT_TRUE(look(Queue{}, 30).empty());
    Queue late;
    late.pending.push_back({"p", 0, {}, {}});
    EXPECT_EQ(look(late, 20), (std::vector<Orphan>{{"p", false}}));
    look(Queue{}, 60);
    EXPECT_FALSE(orphans.any_unwanted());
}

}  // namespace
}  // namespace emprops::comfyui
