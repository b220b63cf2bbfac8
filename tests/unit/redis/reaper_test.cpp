// Jobs of workers that are gone: when they are taken back, and when nobody may be sure.

#include "supervisor/redis/reaper.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "supervisor/redis/rules/keys.h"
#include "tests/unit/redis/replies.h"

namespace emprops::redis {
namespace {

using namespace std::chrono_literals;

/// A Redis of a few answers: one worker, one job of it.
class Fake : public Server {
  public:
    bool office_is_free = true, alive = false;
    std::string token = "5.6", status = "in_progress", uptime = "100000";
    std::vector<std::string> scripts;  ///< what was called, and with which attempts
    std::vector<std::string> notes;

    void ask(Command command, Then then) override {
        questions_.push_back(
            [this, command = std::move(command), then = std::move(then)] { then(answer(command)); });
    }
    void call(const Script& script, std::vector<std::string>, std::vector<std::string> arguments,
              Then then) override {
        if (arguments.size() < 6) return then(text("done"));  // a stale entry goes
        scripts.push_back(std::string(script.name) + " " + arguments[0] + " " + arguments[2] + " " +
                          arguments[5]);
        then(text("back"));
    }
    void tell(Command) override {}
    void event(jobs::LinkEvent) override {}
    void note(Note::Level, const std::string& what, const std::string&) override { notes.push_back(what); }
    void trouble(const std::string&, const Reply&) override {}
    std::int64_t wall_ms() const override { return 0; }
    double random() override { return 0; }

    void settle() {
        while (!questions_.empty()) {
            const auto next = std::move(questions_.front());
            questions_.pop_front();
            next();
        }
    }

  private:
    Reply answer(const Command& command) const {
        if (command[0] == "SET") return office_is_free ? text("OK") : Reply{};
        if (command[0] == "GET") return text("somebody");
        if (command[0] == "INFO") return text("redis_version:7\r\nuptime_in_seconds:" + uptime + "\r\n");
        if (command[0] == "SMEMBERS") return list({"gone-0"});
        if (command[0] == "EXISTS") return number(alive ? 1 : 0);
        if (command[0] == "HKEYS") return list({"j"});
        if (command[0] == "HMGET" && command.size() == 5) return list({"gone-0", token, status});
        Reply fields = list(std::vector<std::string>(matching_fields().size(), ""));
        fields.list[7].text = "1";
        return fields;
    }
    std::deque<std::function<void()>> questions_;
};

struct ReaperTest : testing::Test {
    void pass(Ms time) {
        for (const TimePoint end = now + time; now < end; now += 1s) {
            reaper.on_time(now);
            redis.settle();
        }
    }
    ReaperPolicy policy;
    Fake redis;
    Reaper reaper{redis, {"me", "m", "v"}, policy};
    TimePoint now{1h};
};

TEST_F(ReaperTest, AJobIsTakenBackAfterTwoLifetimesAndNotBefore) {
    reaper.connected(now);
    pass(120s);
    EXPECT_TRUE(redis.scripts.empty());
    pass(60s);
    ASSERT_FALSE(redis.scripts.empty());
    EXPECT_EQ(redis.scripts.front(), "reap gone-0 j 2");
    EXPECT_NE(redis.notes.front().find("its worker gone-0 is gone"), std::string::npos);
}

TEST_F(ReaperTest, NothingIsTakenWhileNobodyCanBeSure) {
    reaper.connected(now);
    redis.alive = true;
    pass(300s);
    EXPECT_TRUE(redis.scripts.empty()) << "its heartbeat is there";
    redis.alive = false;
    redis.uptime = "100";
    pass(300s);
    EXPECT_TRUE(redis.scripts.empty()) << "Redis has just begun";
    redis.uptime = "100000";
    redis.office_is_free = false;
    pass(300s);
    EXPECT_TRUE(redis.scripts.empty()) << "somebody else does it";
}

TEST_F(ReaperTest, ANewerClaimBeginsANewWait) {
    reaper.connected(now);
    pass(110s);
    redis.token = "7.8";
    pass(100s);
    EXPECT_TRUE(redis.scripts.empty());
    pass(60s);
    EXPECT_FALSE(redis.scripts.empty());
}

TEST_F(ReaperTest, OurOwnConnectionIsWaitedForToo) {
    reaper.connected(now);
    pass(115s);
    reaper.disconnected();
    pass(60s);
    reaper.connected(now);
    pass(110s);
    EXPECT_TRUE(redis.scripts.empty()) << "heartbeats may have been missing because of what cut us off";
    redis.status = "completed";
    pass(200s);
    EXPECT_TRUE(redis.scripts.empty()) << "it has ended meanwhile";
}

}  // namespace
}  // namespace emprops::redis
