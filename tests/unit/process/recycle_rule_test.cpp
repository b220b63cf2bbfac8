#include "supervisor/process/life/recycle_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "supervisor/process/life/run.h"

namespace emprops::process {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

struct RecycleBench : testing::Test {
    RecycleBench() { run.up(false, now, out); }
    RecycleRule rule() const { return RecycleRule(options); }
    std::string due(std::uint64_t rss_bytes = 0) { return rule().due(run, rss_bytes, now); }

    LifeOptions options;
    TimePoint now{};
    Actions out;
    process::Run run{1, {"c", "c", AnswersPage{}, {60s, {}}, {}}, now};
};

TEST_F(RecycleBench, WithoutLimitsNothingIsDue) {
    run.job_given();
    EXPECT_EQ(rule().due(run, std::uint64_t{1} << 40, now + 1000h), "");
    EXPECT_EQ(rule().due_at(run), std::nullopt);
}

TEST_F(RecycleBench, JobsAreCountedFromWhatWasGiven) {
    options.policy.max_jobs = 2;
    run.job_given();
    EXPECT_EQ(due(), "");
    run.job_given();
    EXPECT_EQ(due(), "it has had 2 jobs (max_jobs)");
}

TEST_F(RecycleBench, AgeCountsFromWhenItWasUp) {
    options.policy.max_age = 10s;
    EXPECT_EQ(rule().due_at(run), now + 10s);
    EXPECT_EQ(rule().due(run, 0, now + 9'999ms), "");
    EXPECT_EQ(rule().due(run, 0, now + 10s), "it has served for 10 s (max_age)");
}

TEST_F(RecycleBench, MemoryCountsAfterTheFirstJobOnly) {
    options.policy.max_rss = 500 << 20;
    EXPECT_EQ(due(812 << 20), "");
    run.job_given();
    EXPECT_EQ(due(500 << 20), "") << "not above it";
    EXPECT_EQ(due(812 << 20), "it uses 812 MiB of memory (max_rss)");
    EXPECT_EQ(due(0), "") << "not measured";
}

TEST_F(RecycleBench, GraphicsMemoryIsWhatThePageSays) {
    options.max_vram = 500 << 20;
    run.job_given();
    EXPECT_EQ(due(), "");
    run.answered({true, "", std::uint64_t{812} << 20}, now, out);
    EXPECT_EQ(due(), "812 MiB of graphics memory are in use (max_vram)");
}

TEST_F(RecycleBench, ALimitBelowWhatItNeedsWhenIdleIsFoundOnceAndStays) {
    options.policy.max_rss = 500 << 20;
    RecycleRule rule(options);
    EXPECT_FALSE(rule.finds_limit_too_low(run, 500 << 20));
    EXPECT_TRUE(rule.finds_limit_too_low(run, 812 << 20));
    EXPECT_FALSE(rule.finds_limit_too_low(run, 812 << 20)) << "told already";
    EXPECT_FALSE(rule.finds_limit_too_low(run, 0)) << "not measured";
    EXPECT_THAT(rule.limit_too_low(), HasSubstr("uses 812 MiB of memory before its first job"));
    EXPECT_FALSE(rule.finds_limit_too_low(run, 400 << 20));
    EXPECT_EQ(rule.limit_too_low(), "") << "it is no longer so";
    run.job_given();
    EXPECT_FALSE(rule.finds_limit_too_low(run, 812 << 20)) << "from now on it is recycled";
}

TEST_F(RecycleBench, ATryThatFailedPutsTheNextOneOff) {
    options.policy.max_age = 10s;
    RecycleRule rule(options);
    EXPECT_FALSE(rule.put_off(now));
    rule.put_off_until(now + 300s);
    EXPECT_TRUE(rule.put_off(now + 299s));
    EXPECT_FALSE(rule.put_off(now + 300s));
    EXPECT_EQ(rule.due_at(run), now + 300s);
}

}  // namespace
}  // namespace emprops::process
