// Which job is taken: a race that was lost says nothing of later, a job that went back is left to others for a while.

#include "supervisor/redis/claimer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "supervisor/redis/rules/keys.h"
#include "tests/unit/redis/replies.h"

namespace emprops::redis {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

/// A queue of jobs of one type, in its order, with their states.
class Queue : public Server {
  public:
    std::vector<std::pair<std::string, std::string>> jobs;  ///< id, status
    std::string requirements;
    std::optional<Reply> answer_to_claims;
    std::vector<std::string> notes, released, troubles;
    std::function<void(const std::string&)> on_place;

    void ask(Command command, Then then) override {
        open_.push_back(
            [this, command = std::move(command), then = std::move(then)] { then(answer(command)); });
    }
    void call(const Script&, std::vector<std::string>, std::vector<std::string> arguments,
              Then then) override {
        open_.push_back([this, id = arguments[0], then = std::move(then)] { then(claimed(id)); });
    }
    void tell(Command) override {}
    void event(jobs::LinkEvent what) override {
        if (const auto* wanted = std::get_if<jobs::PlaceWanted>(&what))
            open_.push_back([this, id = wanted->job_id] { on_place(id); });
        if (const auto* gone = std::get_if<jobs::PlaceReleased>(&what)) released.push_back(gone->job_id);
    }
    void note(Note::Level, const std::string& what, const std::string&) override { notes.push_back(what); }
    void trouble(const std::string& what, const Reply&) override { troubles.push_back(what); }
    std::int64_t wall_ms() const override { return 0; }
    double random() override { return 0; }

    void settle() {
        while (!open_.empty()) {
            const auto next = std::move(open_.front());
            open_.pop_front();
            next();
        }
    }

  private:
    Reply answer(const Command& command) const {
        if (command[0] == "ZCARD") return {Reply::Kind::number, static_cast<long long>(jobs.size())};
        Reply out{Reply::Kind::list};
        if (command[0] == "ZREVRANGE") {
            for (const auto& each : jobs)
                out.list.push_back(text(each.first));
            return out;
        }
        out.list.resize(matching_fields().size());
        for (const auto& each : jobs) {
            if (keys::job(each.first) != command[1]) continue;
            out.list[0] = text(each.second);
            out.list[1] = text("t");
            out.list[2] = text(requirements);
        }
        return out;
    }
    Reply claimed(const std::string& id) {
        if (answer_to_claims) return *answer_to_claims;
        std::erase_if(jobs, [&](const auto& each) { return each.first == id; });
        return {Reply::Kind::list, 0, "", {text("taken"), text("1.1"), text("service_required"), text("t")}};
    }
    std::deque<std::function<void()>> open_;
};

struct ClaimerTest : testing::Test {
    ClaimerTest() {
        queue.on_place = [this](const std::string& id) { claimer.place(now, id, place); };
        claimer.on_doubt = [this](const std::string& worker) { doubts.push_back(worker); };
        claimer.set_capabilities({{"job_service_required_map", {"t"}}});
        room.capacity = std::make_shared<jobs::Capacity>(jobs::Capacity{{"t"}, {{"t", 1}}, {}, false});
        claimer.room(now, room);
        claimer.connected(now);
    }
    void pass(Ms time) {
        for (const TimePoint end = now + time; now < end; now += 100ms) {
            claimer.on_time(now);
            queue.settle();
        }
    }

    ClaimPolicy policy;
    Queue queue;
    Slots slots{"w"};
    HeldPolicy held_policy;
    HeldJobs held{queue, slots, {"", "m", "v"}, held_policy};
    std::vector<std::string> taken, doubts;
    jobs::Place place = jobs::Place::slot;
    jobs::Room room;
    TimePoint now{1h};
    Claimer claimer{queue,  slots,  held,
                    policy, "mark", [this](const JobRecord& job, const Claim&) { taken.push_back(job.id); }};
};

TEST_F(ClaimerTest, AJobThatSomebodyHadIsTakenWhenItWaitsAgain) {
    queue.jobs = {{"x", "assigned"}};
    pass(10s);
    EXPECT_THAT(taken, IsEmpty());
    EXPECT_THAT(queue.notes, IsEmpty()) << "a race is nothing to tell of";
    queue.jobs = {{"x", "pending"}};
    pass(6s);
    EXPECT_THAT(taken, ElementsAre("x"));
}

TEST_F(ClaimerTest, ALostRaceIsForgottenAlthoughTheRoomIsTheSame) {
    queue.jobs = {{"x", "pending"}};
    for (const char* word : {"not_pending", "away", "gone"}) {
        queue.answer_to_claims = Reply{Reply::Kind::list, 0, "", {text(word), text("assigned")}};
        const auto before = claimer.claims;
        pass(2s);
        EXPECT_GT(claimer.claims, before) << word;
        EXPECT_LE(claimer.claims, before + 2) << word << ": it is not asked for without a pause";
    }
    EXPECT_EQ(slots.taken(), 0u);
    queue.answer_to_claims.reset();
    pass(6s);
    EXPECT_THAT(taken, ElementsAre("x"));
}

TEST_F(ClaimerTest, AJobThatWentBackIsLeftToOthersForAGrowingWhile) {
    queue.jobs = {{"a", "pending"}, {"b", "pending"}};
    claimer.pass_over(now, "a");
    claimer.pass_over(now, "a");
    pass(3s);
    EXPECT_THAT(taken, ElementsAre("b")) << "those behind it are not kept waiting";
    pass(5s);
    EXPECT_THAT(taken, ElementsAre("b", "a"));
}

TEST_F(ClaimerTest, AClaimWithoutAnAnswerKeepsItsIdAndAnErrorIsLookedInto) {
    queue.jobs = {{"x", "pending"}};
    queue.answer_to_claims = lost_reply("gone");
    pass(100ms);
    EXPECT_EQ(slots.taken(), 1u) << "the claim may stand under it";
    EXPECT_THAT(doubts, IsEmpty()) << "the next connection looks";
    queue.answer_to_claims = Reply{Reply::Kind::error, 0, "ERR half way"};
    pass(3s);
    EXPECT_THAT(doubts, ElementsAre("w-1"));
    EXPECT_FALSE(queue.troubles.empty());
}

TEST_F(ClaimerTest, PoisonIsPassedOverAndToldOfOnce) {
    queue.jobs = {{"x", "pending"}};
    queue.requirements = "5";
    pass(20s);
    EXPECT_EQ(queue.notes.size(), 1u);
    queue.jobs = {{"x", "completed"}};
    queue.notes.clear();
    claimer.connected(now);
    pass(20s);
    EXPECT_THAT(queue.notes, IsEmpty()) << "nobody waits for it";
}

}  // namespace
}  // namespace emprops::redis
