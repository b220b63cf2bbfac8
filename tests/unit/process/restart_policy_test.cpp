#include "supervisor/process/life/restart_policy.h"

#include <gtest/gtest.h>

namespace emprops::process {
namespace {

using namespace std::chrono_literals;

config::SupervisionSettings without_jitter() {
    config::SupervisionSettings settings;
    settings.backoff_jitter = 0;
    return settings;
}
double middle() {
    return 0.5;
}

TEST(RestartPolicy, TheDelayDoublesUpToItsLimit) {
    config::SupervisionSettings settings = without_jitter();
    settings.breaker_deaths = 0;
    RestartPolicy policy(settings, middle);
    std::vector<Ms> delays;
    for (int death = 0; death < 10; ++death)
        delays.push_back(policy.on_death(TimePoint{}, 0ms).delay);
    EXPECT_EQ(delays, (std::vector<Ms>{500ms, 1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s, 60s}));
}

TEST(RestartPolicy, JitterStaysWithinItsFraction) {
    for (const double random : {0.0, 0.25, 0.999999}) {
        RestartPolicy policy(config::SupervisionSettings{}, [random] { return random; });
        const Ms delay = policy.on_death(TimePoint{}, 0ms).delay;
        EXPECT_GE(delay, 400ms);
        EXPECT_LE(delay, 600ms);
        EXPECT_EQ(delay, Ms{static_cast<Ms::rep>(500 * (1 + 0.2 * (2 * random - 1)))});
    }
}

TEST(RestartPolicy, BeingReadyLongEnoughStartsTheDelayAnew) {
    RestartPolicy policy(without_jitter(), middle);
    TimePoint now{};
    policy.on_death(now, 0ms);
    EXPECT_EQ(policy.on_death(now += 1s, 59s).delay, 1s) << "59 s of being ready are not enough";
    EXPECT_EQ(policy.on_death(now += 1s, 60s).delay, 500ms);
}

TEST(RestartPolicy, FiveDeathsInFiveMinutesOpenTheBreaker) {
    RestartPolicy policy(without_jitter(), middle);
    TimePoint now{};
    for (int death = 0; death < 4; ++death)
        EXPECT_FALSE(policy.on_death(now += 10s, 0ms).breaker_open);
    EXPECT_EQ(policy.on_death(now += 10s, 0ms), (RestartPolicy::Decision{300s, true}));
}

TEST(RestartPolicy, DeathsOutsideTheWindowDoNotCount) {
    RestartPolicy policy(without_jitter(), middle);
    TimePoint now{};
    for (int death = 0; death < 100; ++death)
        EXPECT_FALSE(policy.on_death(now += 76s, 0ms).breaker_open);
}

TEST(RestartPolicy, ADeathDuringTheTrialOpensTheBreakerAgainForEver) {
    RestartPolicy policy(without_jitter(), middle);
    TimePoint now{};
    for (int death = 0; death < 5; ++death)
        policy.on_death(now, 0ms);
    for (int trial = 0; trial < 1000; ++trial)
        EXPECT_EQ(policy.on_death(now += 301s, 59s), (RestartPolicy::Decision{300s, true}));
}

TEST(RestartPolicy, ATrialThatStaysReadyClosesTheBreaker) {
    RestartPolicy policy(without_jitter(), middle);
    TimePoint now{};
    for (int death = 0; death < 5; ++death)
        policy.on_death(now, 0ms);
    EXPECT_TRUE(policy.on_trial());
    EXPECT_EQ(policy.on_death(now + 361s, 61s), (RestartPolicy::Decision{500ms, false}));
    EXPECT_FALSE(policy.on_trial());
}

TEST(RestartPolicy, AnExcusedDeathCountsForNothing) {
    RestartPolicy policy(without_jitter(), middle);
    TimePoint now{};
    for (int death = 0; death < 50; ++death) {
        EXPECT_EQ(policy.on_death(now += 1s, 0ms), (RestartPolicy::Decision{500ms, false}));
        EXPECT_EQ(policy.excuse_last_death(), (RestartPolicy::Decision{500ms, false}));
    }
    EXPECT_EQ(policy.recent_deaths(now), 0u);
}

TEST(RestartPolicy, AnExcusedDeathOnTrialLeavesTheTrialGoingOn) {
    RestartPolicy policy(without_jitter(), middle);
    TimePoint now{};
    for (int death = 0; death < 5; ++death)
        policy.on_death(now, 0ms);
    EXPECT_TRUE(policy.on_death(now += 301s, 5s).breaker_open);
    EXPECT_FALSE(policy.excuse_last_death().breaker_open);
    EXPECT_TRUE(policy.on_trial());
    EXPECT_TRUE(policy.on_death(now += 1s, 5s).breaker_open) << "not excused";
}

TEST(RestartPolicy, ACompletedJobEndsTheTrial) {
    RestartPolicy policy(without_jitter(), middle);
    TimePoint now{};
    for (int death = 0; death < 5; ++death)
        policy.on_death(now, 0ms);
    policy.worked();
    EXPECT_FALSE(policy.on_trial());
    EXPECT_EQ(policy.on_death(now += 310s, 9s), (RestartPolicy::Decision{500ms, false})) << "case D21";
}

TEST(RestartPolicy, ACompletedJobClearsNothingButATrial) {
    RestartPolicy policy(without_jitter(), middle);
    TimePoint now{};
    for (int death = 0; death < 4; ++death) {
        EXPECT_FALSE(policy.on_death(now += 10s, 5s).breaker_open);
        policy.worked();
    }
    EXPECT_TRUE(policy.on_death(now += 10s, 5s).breaker_open);
}

TEST(RestartPolicy, ItCanBeOpenedAtOnce) {
    RestartPolicy policy(without_jitter(), middle);
    EXPECT_EQ(policy.open(), (RestartPolicy::Decision{300s, true}));
    EXPECT_TRUE(policy.on_death(TimePoint{} + 301s, 1s).breaker_open) << "its trial did not go well";
    config::SupervisionSettings off = without_jitter();
    off.breaker_deaths = 0;
    RestartPolicy without(off, middle);
    EXPECT_EQ(without.open(), (RestartPolicy::Decision{60s, false})) << "switched off";
}

TEST(RestartPolicy, AnOperatorResetsEverything) {
    RestartPolicy policy(without_jitter(), middle);
    for (int death = 0; death < 5; ++death)
        policy.on_death(TimePoint{}, 0ms);
    policy.reset();
    EXPECT_EQ(policy.on_death(TimePoint{}, 0ms), (RestartPolicy::Decision{500ms, false}));
}

TEST(RestartPolicy, ABreakerOfZeroDeathsNeverOpens) {
    config::SupervisionSettings settings = without_jitter();
    settings.breaker_deaths = 0;
    RestartPolicy policy(settings, middle);
    for (int death = 0; death < 100; ++death)
        EXPECT_FALSE(policy.on_death(TimePoint{}, 0ms).breaker_open);
}

TEST(RestartPolicy, RecentDeathsAreThoseOfTheWindow) {
    RestartPolicy policy(without_jitter(), middle);
    policy.on_death(TimePoint{}, 0ms);
    policy.on_death(TimePoint{} + 200s, 0ms);
    EXPECT_EQ(policy.recent_deaths(TimePoint{} + 250s), 2u);
    EXPECT_EQ(policy.recent_span(TimePoint{} + 250s), 250s);
    EXPECT_EQ(policy.recent_deaths(TimePoint{} + 350s), 1u);
}

}  // namespace
}  // namespace emprops::process
