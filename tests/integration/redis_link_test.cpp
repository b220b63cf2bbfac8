// The worker on a real Redis: claims, progress, ends, cancels, outages; the real dispatcher, ledger and connector
// processes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "supervisor/worker/worker.h"
#include "tests/support/ledger_file.h"
#include "tests/support/process_fault_connector.h"
#include "tests/support/redis_server.h"
#include "tests/support/run_until.h"
#include "tests/support/temp_dir.h"

namespace emprops::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using Json = nlohmann::json;

/// A Redis, and a worker with one connector of four places that can be started again.
struct World {
    explicit World(RedisServerOptions options = {}) : redis(std::move(options)) {}
    ~World() { end(); }

    void start(const std::string& mode, const std::string& url = {}) {
        start_with(fault_connector(mode), url);
    }
    /// Fails every job of which the payload says so, in those words: {"fail": "CODE", "retryable": true}.
    void start_failing() {
        const std::string program = dir.write_file("failing.sh", R"sh(
IFS= read -r hello
echo '{"type":"ready","protocol":1,"job_types":["t"],"concurrency":1}'
while IFS= read -r line; do
  id=$(sed -n 's/.*"job_id":"\([^"]*\)".*/\1/p' <<< "$line")
  case $line in
    *'"type":"job"'*)
      code=$(sed -n 's/.*"fail":"\([^"]*\)".*/\1/p' <<< "$line")
      again=$(sed -n 's/.*"retryable":\([a-z]*\).*/\1/p' <<< "$line")
      printf '{"type":"failed","job_id":"%s","error":{"code":"%s","message":"as asked","retryable":%s}}\n' "$id" "$code" "$again" ;;
    *shutdown*) exit 0 ;;
  esac
done)sh")
                                        .string();
        start_with({"bash", program}, {});
    }
    void start_with(std::vector<std::string> command, const std::string& url) {
        WorkerOptions options;
        auto& settings = options.loaded.settings;
        settings.worker.id = "w";
        settings.worker.state_dir = dir / "state";
        settings.worker.durability = "process";
        settings.hub.url = url.empty() ? redis.url() : url;
        settings.hub.reconnect_min = settings.hub.reconnect_max = Ms(100);
        config::ConnectorSettings connector;
        connector.name = "c";
        connector.command = std::move(command);
        connector.supervision.stop = {Ms(500), Ms(500), Ms(500)};
        settings.connectors = {connector};
        settings.control.enabled = false;
        worker = std::make_unique<Worker>(loop, std::move(options), [this](int code) { exit_code = code; });
        const auto started = worker->start();
        ASSERT_TRUE(started) << started.error().message;
    }
    /// As if it had been killed: nothing is said to anybody.
    void end() { worker.reset(); }

    template <class Condition>
    bool until(Condition condition) {
        return run_until(loop, condition);
    }
    bool has_status(const std::string& id, const std::string& status) {
        return until([&] { return redis.field("job:" + id, "status") == status; });
    }
    Json completed(const std::string& id) {
        return Json::parse(redis.field("jobs:completed", id), nullptr, false);
    }
    std::size_t records() const { return ledger_records(dir / "state").size(); }

    TempDir dir;
    RedisServer redis;
    boost::asio::io_context loop;
    std::unique_ptr<Worker> worker;
    std::optional<int> exit_code;
};

TEST(RedisLink, AJobIsTakenRunAndReportedAsTheReferenceDoesIt) {
    World world;
    world.start("echo");
    ASSERT_TRUE(world.until([&] { return world.redis.ask({"SCARD", "workers:active"}).number > 0; }));
    world.redis.submit("j1", "t", R"({"x":1})");
    ASSERT_TRUE(world.has_status("j1", "completed")) << testing::PrintToString(world.redis.hash("job:j1"));
    const Json entry = world.completed("j1");
    EXPECT_EQ(entry["success"], true);
    EXPECT_EQ(entry["data"]["success"], true);
    EXPECT_TRUE(entry["data"]["data"].is_object()) << entry;
    EXPECT_EQ(world.redis.field("job:j1", "worker_id"), "w-0");
    EXPECT_EQ(world.redis.ask({"HLEN", "jobs:active:w-0"}).number, 0);
    EXPECT_EQ(world.redis.ask({"ZCARD", "jobs:pending"}).number, 0);
    EXPECT_GT(world.redis.ask({"TTL", "job:j1"}).number, 0) << "keys of ended jobs do not stay for ever";
    EXPECT_EQ(world.redis.ask({"EXISTS", "worker:completion:step-id:j1:attempt:1"}).number, 1);
    EXPECT_TRUE(world.until([&] { return world.records() == 0; }));
    EXPECT_TRUE(world.until([&] { return world.redis.field("worker:w-0", "status") == "idle"; }));
}

TEST(RedisLink, EachPlaceIsAWorkerOfItsOwn) {
    World world;
    world.start("hold");
    for (const char* id : {"a", "b", "c"})
        world.redis.submit(id, "t");
    for (const char* id : {"a", "b", "c"})
        ASSERT_TRUE(world.has_status(id, "in_progress"));
    std::set<std::string> workers;
    for (const char* id : {"a", "b", "c"})
        workers.insert(world.redis.field(std::string("job:") + id, "worker_id"));
    EXPECT_EQ(workers, (std::set<std::string>{"w-0", "w-1", "w-2"}));
    EXPECT_EQ(world.redis.field("worker:w-0", "status"), "busy");
    EXPECT_TRUE(world.until([&] {
        return world.redis.ask({"SCARD", "workers:active"}).number == 4;
    })) << "the place that is free can be seen, too";
    const Json active = Json::parse(world.redis.ask({"HVALS", "jobs:active:w-0"}).at(0));
    EXPECT_EQ(active["worker_id"], "w-0");
    EXPECT_EQ(active["retry_count"], 0) << "numbers are numbers";
    EXPECT_EQ(active["status"], "assigned");
}

TEST(RedisLink, AFailureGoesBackToTheQueueUntilItsRetriesAreUsedUp) {
    World world;
    world.redis.submit("j", "t", R"({"fail":"service_error","retryable":true})");
    const std::string score = world.redis.ask({"ZSCORE", "jobs:pending", "j"}).text;
    world.start_failing();
    ASSERT_TRUE(world.has_status("j", "failed"));
    EXPECT_EQ(world.redis.field("job:j", "retry_count"), "3");
    const Json entry = Json::parse(world.redis.field("jobs:failed", "j"));
    EXPECT_EQ(entry["error"], "[service_error] as asked");
    for (const char* key : {"worker:failure:step-id:j:attempt:1", "worker:failure:step-id:j:attempt:2",
                            "worker:failure:step-id:j:permanent", "worker:completion:step-id:j"})
        EXPECT_GT(world.redis.ask({"TTL", key}).number, 0) << key;
    const Json attestation = Json::parse(world.redis.ask({"GET", "worker:completion:step-id:j"}).text);
    EXPECT_EQ(attestation["failure_type"], "service_error");
    EXPECT_EQ(attestation["retry_count"], 3);
    EXPECT_TRUE(world.until([&] { return world.records() == 0; }));
}

TEST(RedisLink, WhatCannotHelpIsNotTriedAgain) {
    World world;
    world.redis.submit("j", "t", R"({"fail":"invalid_payload","retryable":false})");
    world.start_failing();
    ASSERT_TRUE(world.has_status("j", "failed"));
    EXPECT_EQ(world.redis.field("job:j", "retry_count"), "1");
}

TEST(RedisLink, ACancelStopsTheWorkAndNothingIsWritten) {
    World world;
    world.start("hold");
    world.redis.submit("j", "t");
    ASSERT_TRUE(world.has_status("j", "in_progress"));
    world.redis.ask({"HSET", "job:j", "status", "failed", "error", "Job cancelled by user"});
    world.redis.ask({"PUBLISH", "cancel_job", R"({"job_id":"j","worker_id":"w-0"})"});
    ASSERT_TRUE(world.until([&] { return world.records() == 0; }));
    EXPECT_TRUE(world.until([&] { return world.redis.ask({"HLEN", "jobs:active:w-0"}).number == 0; }));
    EXPECT_EQ(world.redis.field("job:j", "status"), "failed");
    EXPECT_EQ(world.redis.ask({"EXISTS", "jobs:completed"}).number, 0);
    world.redis.submit("next", "t");
    EXPECT_TRUE(world.has_status("next", "in_progress")) << "its place is free";
}

TEST(RedisLink, AJobThatIsSomebodyElsesNowIsNotEndedByUs) {
    World world;
    world.start("hold");
    world.redis.submit("j", "t");
    ASSERT_TRUE(world.has_status("j", "in_progress"));
    world.redis.ask({"HSET", "job:j", "worker_id", "other", "assigned_at", "1.2"});
    world.redis.ask({"PUBLISH", "cancel_job", R"({"job_id":"j"})"});  // so that we look
    ASSERT_TRUE(world.until([&] { return world.records() == 0; }));
    EXPECT_EQ(world.redis.field("job:j", "status"), "in_progress");
    EXPECT_EQ(world.redis.field("job:j", "worker_id"), "other");
}

TEST(RedisLink, AJobThatWasRequeuedAlthoughItRunsHereIsTakenBack) {
    World world;
    world.start("hold");
    world.redis.submit("j", "t");
    ASSERT_TRUE(world.has_status("j", "in_progress"));
    const std::string token = world.redis.field("job:j", "assigned_at");
    world.redis.ask({"HSET", "job:j", "status", "pending", "worker_id", "", "assigned_at", ""});
    world.redis.ask({"ZADD", "jobs:pending", "1", "j"});
    world.redis.ask({"PUBLISH", "cancel_job", R"({"job_id":"j"})"});
    ASSERT_TRUE(world.has_status("j", "in_progress"));
    EXPECT_NE(world.redis.field("job:j", "assigned_at"), token);
    EXPECT_EQ(world.redis.field("job:j", "worker_id"), "w-0");
    EXPECT_EQ(world.records(), 1u);
}

TEST(RedisLink, WhatNobodyCanTakeIsPassedOverAndThoseBehindAreServed) {
    World world;
    world.redis.submit("poison", "t", "{}", {{"requirements", R"({"positive_requirements":null})"}});
    world.redis.ask({"ZADD", "jobs:pending", "60000000000000000", "without-a-hash"});
    world.redis.submit("other", "somebody-elses");
    world.redis.submit("good", "t");
    world.start("echo");
    ASSERT_TRUE(world.has_status("good", "completed"));
    EXPECT_EQ(world.redis.field("job:poison", "status"), "pending");
    EXPECT_EQ(world.redis.ask({"ZCARD", "jobs:pending"}).number, 3);
}

TEST(RedisLink, AClaimWhoseAnswerWasLostIsOursAndIsRun) {
    World world;
    world.redis.submit("j", "t");
    world.redis.ask({"ZREM", "jobs:pending", "j"});
    world.redis.ask({"HSET", "job:j", "status", "assigned", "worker_id", "w-1", "assigned_at", "5.6"});
    world.redis.ask({"HSET", "jobs:active:w-1", "j", "{}", "stale", "{}"});
    world.start("echo");
    ASSERT_TRUE(world.has_status("j", "completed"));
    EXPECT_TRUE(world.until([&] { return world.redis.ask({"HLEN", "jobs:active:w-1"}).number == 0; }));
}

TEST(RedisLink, AnOutcomeWaitsForRedisAndIsWrittenOnce) {
    RedisServerOptions safe;
    safe.append_only = true;
    World world(safe);
    world.start_with(fault_connector("slow", {"1500"}), {});
    world.redis.submit("j", "t");
    ASSERT_TRUE(world.has_status("j", "in_progress"));
    world.redis.kill();
    const TimePoint until = Clock::now() + Ms(2'500);
    world.until([&] { return Clock::now() > until; });
    EXPECT_EQ(world.records(), 1u);
    world.redis.start();
    ASSERT_TRUE(world.has_status("j", "completed"));
    EXPECT_TRUE(world.until([&] { return world.records() == 0; }));
    world.redis.submit("next", "t");
    EXPECT_TRUE(world.has_status("next", "completed"));
}

TEST(RedisLink, AnEmptyRedisLearnsAgainWhoWeAre) {
    World world;
    world.start("echo");
    ASSERT_TRUE(world.until([&] { return world.redis.ask({"EXISTS", "worker:w-0"}).number == 1; }));
    world.redis.kill();
    world.redis.start();
    ASSERT_TRUE(world.until([&] { return world.redis.ask({"EXISTS", "worker:w-0:heartbeat"}).number == 1; }));
    world.redis.ask({"SCRIPT", "FLUSH"});
    world.redis.submit("j", "t", R"({"text":"\u00fc\ud83e\udd8a and \u0000"})");
    EXPECT_TRUE(world.has_status("j", "completed")) << "scripts that were flushed are brought again";
}

TEST(RedisLink, AWrongPasswordEndsTheWorkerWithAReason) {
    RedisServerOptions guarded;
    guarded.more = {"--user", "default", "on", ">right", "~*", "&*", "+@all"};
    RedisServer redis(guarded);
    World world;
    world.start("echo", "redis://:wrong@127.0.0.1:" + std::to_string(redis.port()));
    ASSERT_TRUE(world.until([&] { return world.exit_code.has_value(); }));
    EXPECT_EQ(*world.exit_code, 69);
}

}  // namespace
}  // namespace emprops::test
