// What is ours: answers that were meant for an older claim, claims whose answers were lost, ends that wait in the queue.

#include "supervisor/redis/held_jobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "tests/unit/redis/replies.h"

namespace emprops::redis {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

Reply state(const std::string& worker, const std::string& token, const std::string& status) {
    return {Reply::Kind::list, 0, "", {text(worker), text(token), text(status), text("")}};
}

/// Remembers what was asked; the test answers, in any order.
class Questions : public Server {
  public:
    struct One {
        std::string name;
        std::vector<std::string> arguments;
        Then then;
    };
    std::deque<One> open;
    std::vector<jobs::LinkEvent> events;

    void ask(Command command, Then then) override {
        const std::string name = command.front();
        open.push_back({name, std::move(command), std::move(then)});
    }
    void call(const Script& script, std::vector<std::string>, std::vector<std::string> arguments,
              Then then) override {
        open.push_back({script.name, std::move(arguments), std::move(then)});
    }
    void tell(Command) override {}
    void event(jobs::LinkEvent what) override { events.push_back(std::move(what)); }
    void note(Note::Level, const std::string&, const std::string&) override {}
    void trouble(const std::string&, const Reply&) override {}
    std::int64_t wall_ms() const override { return 0; }
    double random() override { return 0; }

    void answer(const std::string& name, const Reply& reply) {
        ASSERT_FALSE(open.empty()) << name;
        const One one = std::move(open.front());
        open.pop_front();
        ASSERT_EQ(one.name, name);
        one.then(reply);
    }
    std::vector<std::string> names() const {
        std::vector<std::string> out;
        for (const One& one : open)
            out.push_back(one.name);
        return out;
    }
};

struct HeldJobsTest : testing::Test {
    HeldJobsTest() {
        held.on_pending = [this](const std::string& id) { pending.push_back(id); };
        held.on_newer = [this](const std::string& id, const Claim& claim) { held.renew(now, id, claim); };
        held.on_returned = [this](const std::string& id) { returned.push_back(id); };
        held.connected(now);
        JobRecord job;
        job.id = "j";
        held.add(now, job, 1, {"w-0", "1.1"}, true);
    }
    void started() { redis.answer("start", text("done")); }
    void complete() { held.deliver(now, {"j", 1, jobs::Completed{ipc::RawJson("{}")}}); }
    void fail(const char* code) { held.deliver(now, {"j", 1, jobs::Failed{{code, "m", true, {}}, true}}); }

    HeldPolicy policy;
    Questions redis;
    Slots slots{"w"};
    HeldJobs held{redis, slots, {"", "m", "v"}, policy};
    std::vector<std::string> pending, returned;
    TimePoint now{1h};
};

TEST_F(HeldJobsTest, AnAnswerToAnOlderClaimSaysNothingOfTheNewerOne) {
    started();
    held.progress(now + 1s, "j", 1, {});
    held.retake("j");
    held.renew(now, "j", {"w-0", "2.2"});
    redis.answer("progress", text("claimed_by_other"));
    EXPECT_TRUE(held.holds("j"));
    EXPECT_THAT(redis.events, IsEmpty());
    EXPECT_THAT(redis.names(), ElementsAre("start"))
        << "told as begun under the newer claim, and nothing removed";
}

TEST_F(HeldJobsTest, AnEndUnderAnOlderClaimIsSentAgainUnderTheNewerOne) {
    started();
    complete();
    held.renew(now, "j", {"w-0", "2.2"});
    redis.answer("complete", text("claimed_by_other"));
    started();
    ASSERT_TRUE(held.holds("j"));
    held.on_time(now + 2s);
    ASSERT_THAT(redis.names(), ElementsAre("complete"));
    EXPECT_EQ(redis.open.front().arguments[1], "2.2");
    redis.answer("complete", text("done"));
    EXPECT_EQ(held.delivered, 1u);
}

TEST_F(HeldJobsTest, AClaimWhoseAnswerWasLostIsFoundByTheQuestion) {
    started();
    held.question_all(now);
    redis.answer("HMGET", state("w-3", "2.2", "assigned"));
    EXPECT_EQ(held.claim_of("j")->text(), "2.2 w-3") << "a newer claim of ours";
    EXPECT_THAT(redis.events, IsEmpty());
    started();
    held.question_all(now);
    redis.answer("HMGET", state("other-0", "3.3", "assigned"));
    EXPECT_FALSE(held.holds("j"));
    EXPECT_THAT(redis.names(), ElementsAre("forget")) << "by a script, which keeps what is ours again";
}

TEST_F(HeldJobsTest, AnOutcomeIsGivenUpOnlyAfterOneMoreLook) {
    started();
    for (const char* token : {"2.2", "3.3"}) {  // each time that it was taken back without an answer
        complete();
        held.on_time(now + 2s);
        redis.answer("complete", text("claimed_by_other"));
        redis.answer("HMGET", state("w-0", token, "in_progress"));
        started();
        ASSERT_TRUE(held.holds("j")) << token;
        redis.answer("complete", lost_reply("gone"));
    }
}

TEST_F(HeldJobsTest, ASuccessThatWaitsInTheQueueIsTakenBackAndAFailureIsNot) {
    started();
    complete();
    redis.answer("complete", text("pending"));
    EXPECT_THAT(pending, ElementsAre("j"));
    EXPECT_TRUE(held.holds("j"));
    held.undelivered("j", 1);
    JobRecord job;
    job.id = "j";
    held.add(now, job, 1, {"w-0", "4.4"}, false);
    fail(ipc::code::internal);
    redis.answer("release", text("pending"));
    EXPECT_FALSE(held.holds("j"));
    EXPECT_THAT(pending, ElementsAre("j"));
}

TEST_F(HeldJobsTest, WhoLeavesSpendsNoAttempt) {
    started();
    fail(ipc::code::drained);
    ASSERT_THAT(redis.names(), ElementsAre("release"));
    EXPECT_EQ(redis.open.front().arguments[5], "") << "attempts as they were";
    EXPECT_THAT(returned, ElementsAre("j")) << "others are to have it first";
}

TEST_F(HeldJobsTest, ABeginThatWasNotAnsweredIsToldAgain) {
    redis.answer("start", lost_reply("gone"));
    held.disconnected();
    held.connected(now);
    EXPECT_THAT(redis.names(), ElementsAre("start", "HMGET"));
    started();
    redis.answer("HMGET", state("w-0", "1.1", "in_progress"));
    held.disconnected();
    held.connected(now);
    EXPECT_THAT(redis.names(), ElementsAre("HMGET")) << "once is enough";
}

TEST_F(HeldJobsTest, ACancelThatComesWhileTheQuestionIsUnderWayIsAskedAboutAfterIt) {
    started();
    held.question_all(now);
    held.look_at(now, "j");
    redis.answer("HMGET", state("w-0", "1.1", "in_progress"));
    ASSERT_LE(*held.next_wakeup(), now);
    held.on_time(now);
    ASSERT_THAT(redis.names(), ElementsAre("HMGET"));
    Reply failed = state("w-0", "1.1", "failed");
    failed.list[3] = text("Job cancelled by user");
    redis.answer("HMGET", failed);
    ASSERT_EQ(redis.events.size(), 1u);
    EXPECT_TRUE(std::holds_alternative<jobs::JobCancelled>(redis.events.front()));
}

}  // namespace
}  // namespace emprops::redis
