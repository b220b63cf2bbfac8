// Worker processes on one real Redis: killed, stopped, side by side.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/support/redis_server.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

TestWorkerOptions simulation(const RedisServer& redis, const std::string& id) {
    TestWorkerOptions options;
    options.hub_url = redis.url();
    options.arguments = {"--set", "worker.id=" + id};
    options.toml = "durability = \"process\"\n[connectors.simulation]\n";
    return options;
}
const std::string slow = R"({"steps":100,"processing_time":30})";
const std::string quick = R"({"steps":1,"processing_time":0.02})";

bool has_status(RedisServer& redis, const std::string& id, const std::string& status) {
    return wait_until([&] { return redis.field("job:" + id, "status") == status; }, Ms(20'000));
}

TEST(RedisEndToEnd, AWorkerThatWasKilledReportsWhatItLost) {
    RedisServer redis;
    TestWorker worker(simulation(redis, "w"));
    redis.submit("j", "simulation", slow, {{"max_retries", "1"}});
    ASSERT_TRUE(has_status(redis, "j", "in_progress")) << worker.log();
    ::kill(worker.supervisor_pid(), SIGKILL);
    worker.process().wait();
    worker.start();
    ASSERT_TRUE(has_status(redis, "j", "failed")) << worker.log();
    EXPECT_THAT(redis.field("jobs:failed", "j"), HasSubstr("[lost]"));
}

TEST(RedisEndToEnd, TwoWorkersShareAQueueAndEachJobEndsOnce) {
    RedisServer redis;
    constexpr int count = 60;
    for (int i = 0; i < count; ++i)
        redis.submit("j" + std::to_string(i), "simulation", quick);
    TestWorker one(simulation(redis, "one"));
    TestWorker two(simulation(redis, "two"));
    ASSERT_TRUE(wait_until(
        [&] {
            return redis.ask({"HLEN", "jobs:completed"}).number == count;
        },
        Ms(60'000)))
        << one.log() << two.log();
    std::set<std::string> workers;
    for (int i = 0; i < count; ++i) {
        const std::string id = "j" + std::to_string(i);
        workers.insert(redis.field("job:" + id, "worker_id"));
        EXPECT_EQ(redis.ask({"XLEN", "progress:" + id}).number, 1) << id << " was claimed once";
    }
    EXPECT_EQ(workers, (std::set<std::string>{"one-0", "two-0"}));
    one.stop_and_wait();
    EXPECT_EQ(redis.ask({"SISMEMBER", "workers:active", "one-0"}).number, 0) << "who leaves says so";
    EXPECT_EQ(redis.ask({"EXISTS", "worker:one-0"}).number, 0);
    EXPECT_EQ(redis.ask({"EXISTS", "worker:two-0:heartbeat"}).number, 1);
}

TEST(RedisEndToEnd, AnOperatorCancelsAJobHere) {
    RedisServer redis;
    TestWorker worker(simulation(redis, "w"));
    redis.submit("j", "simulation", slow);
    ASSERT_TRUE(has_status(redis, "j", "in_progress"));
    EXPECT_EQ(worker.cli({"cancel", "j"}).exit_code, 0) << worker.log();
    ASSERT_TRUE(has_status(redis, "j", "failed"));
    EXPECT_TRUE(Json::parse(redis.field("jobs:failed", "j"))["cancelled"]);
    redis.submit("next", "simulation", quick);
    EXPECT_TRUE(has_status(redis, "next", "completed")) << worker.log();
}

TEST(RedisEndToEnd, TheStatusSaysWhereJobsComeFromWithoutThePassword) {
    RedisServerOptions guarded;
    guarded.more = {
        "--user",       "emprops",         "on",         ">hush",     "~jobs:*",    "~job:*",     "~worker:*",
        "~workers:*",   "~progress:*",     "~emprops:*", "&*",        "-@all",      "+evalsha",   "+eval",
        "+script|load", "+hset",           "+hsetnx",    "+hget",     "+hmget",     "+hgetall",   "+hkeys",
        "+hdel",        "+hincrby",        "+set",       "+setex",    "+get",       "+exists",    "+expire",
        "+del",         "+sadd",           "+srem",      "+smembers", "+zcard",     "+zrevrange", "+zscore",
        "+zrem",        "+zadd",           "+xadd",      "+publish",  "+subscribe", "+time",      "+info",
        "+select",      "+client|setname", "+ping"};
    RedisServer redis(guarded);
    TestWorkerOptions options = simulation(redis, "w");
    options.hub_url = "redis://emprops:hush@127.0.0.1:" + std::to_string(redis.port());
    TestWorker worker(options);
    redis.submit("j", "simulation", quick);
    ASSERT_TRUE(has_status(redis, "j", "completed"))
        << "the rights of PROTOCOL.md are enough: " << worker.log();
    EXPECT_EQ(worker.log().find("hush"), std::string::npos);
    EXPECT_EQ(worker.status().dump().find("hush"), std::string::npos);
    const auto shown = worker.cli({"check-config", "--hub", options.hub_url});
    EXPECT_EQ((shown.out + shown.err).find("hush"), std::string::npos) << shown.out;
    EXPECT_EQ(worker.log().find("NOPERM"), std::string::npos) << worker.log();
}

}  // namespace
}  // namespace emprops::test
