#include "supervisor/process/life/retries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::process {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

struct RetriesBench : testing::Test {
    static config::SupervisionSettings settings() {
        config::SupervisionSettings result;
        result.backoff_jitter = 0;
        result.breaker_deaths = 3;
        return result;
    }
    static DeathReport death(int code = 1) {
        DeathReport report;
        report.exit_code = code;
        report.pid = 42;
        return report;
    }
    TimePoint now{};
    Retries retries{settings(), [] { return 0.5; }};
};

TEST_F(RetriesBench, ADeathIsFollowedByATryAfterTheDelay) {
    EXPECT_EQ(retries.the_one_before(), "");
    retries.plan(death(), now);
    EXPECT_EQ(retries.next(), now + 500ms);
    EXPECT_FALSE(retries.due(now + 499ms));
    EXPECT_TRUE(retries.due(now + 500ms));
    EXPECT_EQ(retries.why(now), "waits 500 ms to restart: exited with code 1 after 0 ms");
    EXPECT_EQ(retries.the_one_before(), "; the one before exited with code 1 after 0 ms");
    retries.cancel();
    EXPECT_EQ(retries.next(), std::nullopt);
}

TEST_F(RetriesBench, TheLastLineOfTheDeadIsToldWithIt) {
    DeathReport report = death();
    report.stderr_tail = {"Traceback", "KeyError: 'missing'"};
    retries.plan(report, now);
    const std::string line = "; its last line: \"KeyError: 'missing'\"";
    EXPECT_THAT(retries.why(now), testing::EndsWith(line));
    EXPECT_THAT(retries.the_one_before(), testing::EndsWith(line));
    retries.cancel();
    report.exit_code = 78;
    report.stderr_tail = {"no API key"};
    retries.plan(report, now);
    EXPECT_THAT(retries.why(now), HasSubstr("(exit code 78); its last line: \"no API key\""));
}

TEST_F(RetriesBench, ManyDeathsOpenTheBreakerAlsoThoseThatWereOnlyCounted) {
    retries.count(death(), now);
    EXPECT_EQ(retries.next(), std::nullopt) << "the next process is there already";
    retries.count(death(), now += 1s);
    retries.plan(death(), now += 1s);
    EXPECT_TRUE(retries.breaker_open());
    EXPECT_EQ(retries.next(), now + 300s);
    EXPECT_THAT(retries.why(now),
                HasSubstr("is tried again in 5 min only (breaker open): 3 deaths in the last 2 s"));
    retries.forget_failures();
    retries.cancel();
    retries.plan(death(), now);
    EXPECT_FALSE(retries.breaker_open());
}

TEST_F(RetriesBench, SomeDeathsAreFinal) {
    DeathReport protocol = death(0);
    protocol.stopped_for = StopReason::bad_protocol;
    protocol.start_error = "it speaks another protocol";
    protocol.useless_to_retry = true;
    DeathReport word = death();
    word.start_error = "no GPU";
    word.useless_to_retry = true;
    const std::pair<DeathReport, std::string> finals[] = {
        {death(78), "has failed: its configuration is wrong (exit code 78);"},
        {protocol, "has failed: it speaks another protocol;"},
        {word, "has failed: it could not start and says that trying again is useless: no GPU;"}};
    for (const auto& [report, text] : finals) {
        EXPECT_TRUE(Retries::is_final(report));
        retries.plan(report, now);
        EXPECT_TRUE(retries.failed());
        EXPECT_EQ(retries.next(), std::nullopt);
        EXPECT_THAT(retries.why(now), HasSubstr(text));
        retries.cancel();
        EXPECT_FALSE(retries.failed()) << "somebody has intervened";
    }
    EXPECT_FALSE(Retries::is_final(death()));
}

TEST_F(RetriesBench, AVerdictCountsForTheLastDeadProcessOnly) {
    retries.plan(death(), now);
    EXPECT_FALSE(retries.judge(7, ServiceVerdict::machine, "jobs a and b ended it", true, now));
    EXPECT_FALSE(retries.breaker_open());
    EXPECT_TRUE(retries.judge(42, ServiceVerdict::machine, "jobs a and b ended it", true, now));
    EXPECT_TRUE(retries.breaker_open());
    EXPECT_THAT(retries.why(now), HasSubstr("(breaker open): jobs a and b ended it; exited"));
    EXPECT_TRUE(retries.judge(42, ServiceVerdict::job, "", true, now)) << "the breaker closes again";
    EXPECT_EQ(retries.next(), now + 500ms);
}

TEST_F(RetriesBench, AVerdictAfterTheNextStartChangesTheCountOnly) {
    retries.plan(death(), now);
    retries.cancel();
    EXPECT_FALSE(retries.judge(42, ServiceVerdict::machine, "x", false, now));
    EXPECT_EQ(retries.next(), std::nullopt);
    retries.plan(death(), now);
    EXPECT_TRUE(retries.breaker_open()) << "that start was the trial";
}

TEST_F(RetriesBench, AnExcuseNeverPutsTheNextTryOff) {
    retries.plan(death(), now);
    EXPECT_FALSE(retries.judge(42, ServiceVerdict::job, "", true, now + 400ms)) << "nothing to tell";
    EXPECT_EQ(retries.next(), now + 500ms);
}

}  // namespace
}  // namespace emprops::process
