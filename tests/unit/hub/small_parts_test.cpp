// Refusal cache, reconnect policy, what the announcer keeps in mind.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "supervisor/hub/address_race.h"
#include "supervisor/hub/announcer.h"
#include "supervisor/hub/reconnect_policy.h"
#include "supervisor/hub/refusal_cache.h"

namespace emprops::hub {
namespace {

const TimePoint start = TimePoint{} + std::chrono::hours(1);

TEST(RefusalCache, RemembersForAWhileAndCounts) {
    RefusalCache cache(Ms(60'000));
    EXPECT_FALSE(cache.contains(start, "j"));
    EXPECT_EQ(cache.add(start, "j"), 1);
    EXPECT_TRUE(cache.contains(start + Ms(59'999), "j"));
    EXPECT_FALSE(cache.contains(start + Ms(60'000), "j"));
    EXPECT_EQ(cache.add(start + Ms(60'000), "j"), 2);
    EXPECT_EQ(cache.add(start + std::chrono::hours(5), "j"), 1);
    cache.forget("j");
    EXPECT_EQ(cache.add(start, "j"), 1);
}

TEST(RefusalCache, IsBoundedAndForgetsTheOldestFirst) {
    RefusalCache cache(Ms(60'000), 3);
    for (int i = 0; i < 5; ++i)
        cache.add(start + Ms(i), std::to_string(i));
    EXPECT_FALSE(cache.contains(start + Ms(5), "0"));
    EXPECT_TRUE(cache.contains(start + Ms(5), "4"));
}

TEST(Announcer, AJobTypeThatHasGoneIsNotRememberedForEver) {
    Announcer announcer;
    jobs::Capacity capacity;
    Announcer::Situation situation;
    situation.capacity = &capacity;
    announcer.on_connected(start, situation);
    for (int i = 0; i < 5000; ++i) {
        const std::string type = "t" + std::to_string(i);
        capacity.job_types = {type};
        capacity.free_slots = {{type, 1}};
        const auto told = announcer.decide(start + Ms(i * 10), situation);
        ASSERT_TRUE(told.registration) << i;
        EXPECT_EQ(told.registration->job_types, std::vector<std::string>{type});
    }
    EXPECT_LE(announcer.remembered_types(), 2000u);
}

TEST(Announcer, ALongListIsNotSentAgainForAJobThatIsOverInAMoment) {
    Announcer announcer;
    jobs::Capacity capacity;
    const auto offer_types = [&](bool sim_is_free) {
        capacity.free_slots.clear();
        for (int i = 0; i < 5'000; ++i)
            capacity.free_slots["many-" + std::to_string(i)] = 1;
        capacity.free_slots["sim"] = 1;
        capacity.job_types.clear();
        for (const auto& [type, slots] : capacity.free_slots)
            capacity.job_types.push_back(type);
        if (!sim_is_free) capacity.free_slots.erase("sim");
    };
    Announcer::Situation situation;
    situation.capacity = &capacity;
    offer_types(true);
    announcer.on_connected(start, situation);
    announcer.decide(start, situation);
    offer_types(false);
    announcer.owe_status(start);
    auto told = announcer.decide(start, situation);
    EXPECT_FALSE(told.registration);
    EXPECT_EQ(told.status, false);
    offer_types(true);
    situation.outcomes = true;
    told = announcer.decide(start + Ms(50), situation);
    EXPECT_FALSE(told.registration);
    EXPECT_EQ(told.status, true);
    situation.outcomes = false;
    // A longer job: the others are offered again, without its type.
    offer_types(false);
    EXPECT_EQ(announcer.decide(start + Ms(1'000), situation).status, false);
    EXPECT_EQ(announcer.next_wakeup(), start + Ms(1'100));
    told = announcer.decide(start + Ms(1'100), situation);
    ASSERT_TRUE(told.registration);
    EXPECT_TRUE(told.registration->idle);
    EXPECT_EQ(told.registration->job_types.size(), 5'000u);
}

TEST(Announcer, ManyJobTypesCostInProportionToTheirNumber) {
    // With lists in lists 40,000 types took half a minute for each message. No limit of time here: it would
    // be the machine's. A quadratic one does not end within the test's own.
    Announcer announcer;
    jobs::Capacity capacity;
    std::vector<std::string> all;
    for (int i = 0; i < 40'000; ++i)
        all.push_back("type-" + std::to_string(100'000 + i));
    const auto offer_from = [&](std::size_t first) {
        capacity.job_types.assign(all.begin() + static_cast<std::ptrdiff_t>(first), all.end());
        capacity.free_slots.clear();
        for (const auto& type : capacity.job_types)
            capacity.free_slots.emplace_hint(capacity.free_slots.end(), type, 1);
    };
    Announcer::Situation situation;
    situation.capacity = &capacity;
    offer_from(0);
    EXPECT_EQ(announcer.on_connected(start, situation).job_types, all);
    for (int i = 1; i < 50; ++i) {
        offer_from(static_cast<std::size_t>(i % 2) * 20'000);
        announcer.decide(start + Ms(i), situation);
    }
    offer_from(0);
    EXPECT_EQ(announcer.decide(start + Ms(5'000), situation).registration->job_types, all);
}

TEST(ReconnectPolicy, DoublesUpToTheLimitAndStaysInIt) {
    ReconnectPolicy policy(Ms(1000), Ms(60'000));
    for (const int bound : {2000, 4000, 8000, 16'000, 32'000, 60'000, 60'000}) {
        ReconnectPolicy low = policy;
        EXPECT_EQ(low.next(0.0), Ms(1000));
        const Ms high = policy.next(0.9999999);
        EXPECT_LE(high, Ms(bound));
        EXPECT_GE(high, Ms(bound - 2));
    }
    for (int i = 0; i < 200; ++i)
        EXPECT_LE(policy.next(1.0), Ms(60'000));
    policy.reset();
    EXPECT_LE(policy.next(1.0), Ms(2000));
}

TEST(Addresses, OfEachFamilyInTurnAreTriedFromTheFirstOn) {
    const auto at = [](const char* address) {
        return boost::asio::ip::tcp::endpoint(boost::asio::ip::make_address(address), 80);
    };
    using List = std::vector<boost::asio::ip::tcp::endpoint>;
    EXPECT_EQ(in_turn(List{at("::1"), at("::2"), at("::3"), at("10.0.0.1"), at("10.0.0.2")}),
              (List{at("::1"), at("10.0.0.1"), at("::2"), at("10.0.0.2"), at("::3")}));
    EXPECT_EQ(in_turn(List{at("10.0.0.1"), at("10.0.0.2"), at("::1")}),
              (List{at("10.0.0.1"), at("::1"), at("10.0.0.2")}));
    EXPECT_EQ(in_turn({}), List{});
}

}  // namespace
}  // namespace emprops::hub
