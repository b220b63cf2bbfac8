// What the pool keeps of its instances is what a look at all of them would say: what can be taken, when the first pause
// ends, and who takes a job of a type.

#include "supervisor/jobs/pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace emprops::jobs {
namespace {

using process::InstanceId;
using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr TimePoint start = TimePoint{} + std::chrono::hours(1);

process::InstanceInfo offering(std::vector<std::string> types, int concurrency = 1) {
    process::InstanceInfo info;
    info.job_types = std::move(types);
    info.concurrency = concurrency;
    info.features.prepare = true;
    return info;
}

struct PoolBench : testing::Test {
    Instance& put(const std::string& name, std::vector<std::string> types, int concurrency = 1) {
        return pool.put({name, 0, 1}, offering(std::move(types), concurrency), {});
    }
    Instance& at(const std::string& name) { return *pool.find({name, 0, 1}); }

    Pool pool;
};

TEST_F(PoolBench, AllPausesEndWhateverWasAskedMeanwhile) {
    put("a", {"x"});
    put("b", {"y"});
    EXPECT_EQ(pool.next_pause_end(), std::nullopt);
    at("b").paused_until = start + Ms{20};
    at("a").paused_until = start + Ms{10};
    EXPECT_EQ(pool.next_pause_end(), start + Ms{10});
    EXPECT_TRUE(pool.capacity()->free_slots.empty());
    pool.end_pauses(start + Ms{10});
    EXPECT_THAT(pool.capacity()->free_slots, ElementsAre(Pair("x", 1)));
    EXPECT_EQ(pool.next_pause_end(), start + Ms{20});
    pool.remove({"b", 0, 1});
    EXPECT_EQ(pool.next_pause_end(), std::nullopt) << "nobody waits for one that is gone";
    at("a").refusals.refused(start, 0, 1, "no");
    EXPECT_NE(pool.next_pause_end(), std::nullopt) << "it is asked again later";
}

TEST_F(PoolBench, ACapacityIsTheSameObjectUntilSomethingInItChanges) {
    put("a", {"x", "y"}, 2);
    put("b", {"y"});
    const auto before = pool.capacity();
    EXPECT_THAT(before->job_types, ElementsAre("x", "y"));
    EXPECT_THAT(before->free_slots, ElementsAre(Pair("x", 2), Pair("y", 3)));
    at("a").held = 0;
    EXPECT_EQ(pool.capacity(), before) << "nothing has changed";
    at("a").held = 1;
    EXPECT_THAT(pool.capacity()->free_slots, ElementsAre(Pair("x", 1), Pair("y", 2)));
    at("a").held = 0;
    EXPECT_EQ(pool.capacity(), before) << "the same once more";
    pool.set_drained("a", true);
    EXPECT_THAT(pool.capacity()->job_types, ElementsAre("y"));
    pool.set_drained("a", false);
    EXPECT_EQ(pool.capacity(), before);
    pool.remove({"b", 0, 1});
    EXPECT_THAT(pool.capacity()->free_slots, ElementsAre(Pair("x", 2), Pair("y", 2)));
}

TEST_F(PoolBench, AnInstanceIsFoundUnderItsNewTypesOnly) {
    put("a", {"x", "x", "y"});
    EXPECT_EQ(pool.choose("x"), &at("a"));
    EXPECT_EQ(pool.capacity()->free_slots.at("x"), 1) << "a type that is named twice has one slot";
    put("a", {"z"});
    EXPECT_EQ(pool.choose("x"), nullptr);
    EXPECT_EQ(pool.choose("z"), &at("a"));
    EXPECT_THAT(pool.capacity()->job_types, ElementsAre("z"));
    pool.remove({"a", 0, 1});
    EXPECT_EQ(pool.choose("z"), nullptr);
    EXPECT_TRUE(pool.capacity()->job_types.empty());
}

TEST_F(PoolBench, AJobThatWaitsIsCountedOnceAndNoLongerThanItWaits) {
    put("a", {"x"}, 2);
    put("b", {"x"}, 2);
    pool.count_waiting({"x", "x", "x"});
    EXPECT_EQ(pool.capacity()->free_slots.at("x"), 1);
    pool.remove({"a", 0, 1});
    pool.count_waiting({"x"});
    EXPECT_EQ(pool.capacity()->free_slots.at("x"), 1);
    pool.count_waiting({});
    EXPECT_EQ(pool.capacity()->free_slots.at("x"), 2);
}

/// What a look at all instances says.
Capacity looked_at(const Pool& pool) {
    Capacity capacity;
    std::set<std::string> types;
    std::set<std::string> ahead;
    for (const auto& [id, instance] : pool.instances()) {
        if (!pool.open(instance)) continue;
        const auto& list = instance.info.job_types;
        for (const std::string& type : std::set<std::string>(list.begin(), list.end())) {
            types.insert(type);
            if (instance.free_slots() > 0) capacity.free_slots[type] += instance.free_slots();
            if (instance.takes_ahead()) ahead.insert(type);
        }
    }
    capacity.job_types = {types.begin(), types.end()};
    for (const std::string& type : ahead)
        if (capacity.free_slots.count(type) == 0) capacity.ahead.insert(type);
    return capacity;
}

TEST_F(PoolBench, WhatIsKeptIsWhatALookAtAllSays) {
    std::mt19937 random(5);
    const auto any = [&](std::size_t below) { return random() % below; };
    const auto name = [&](const char* begin, std::size_t of) { return begin + std::to_string(any(of)); };
    TimePoint now = start;
    int reserved = 0;
    for (int i = 0; i < 5000; ++i) {
        now += Ms{any(20)};
        const InstanceId id{name("c", 4), static_cast<int>(any(2)), 1};
        switch (any(11)) {
            case 0:
                pool.put(id, offering({name("t", 5), name("t", 5)}, static_cast<int>(1 + any(3))), {});
                break;
            case 1:
                pool.remove(id);
                break;
            case 2:
                pool.set_drained(id.connector, any(2) == 0);
                break;
            case 3:
                pool.reserve(std::to_string(++reserved), name("t", 5), {});
                break;
            case 4:
                pool.reserve_ahead(std::to_string(++reserved), name("t", 5),
                                   [](const Instance&) { return true; });
                break;
            case 5:
                pool.end_reservation(std::to_string(any(static_cast<std::size_t>(reserved) + 1)));
                break;
            case 6:
                pool.count_waiting({name("t", 5), name("t", 5)});
                break;
            case 7:
                pool.end_pauses(now);
                break;
            case 8:
                pool.rebind_reservations();
                break;
            default:
                Instance* const one = pool.find(id);
                if (one == nullptr) break;
                one->held = static_cast<int>(any(3));
                one->ahead_allowed = any(2) == 0;
                one->stopping = any(8) == 0;
                if (any(3) == 0) one->paused_until = now + Ms{any(50)};
        }
        ASSERT_EQ(*pool.capacity(), looked_at(pool)) << i;
        Earliest pause_end;
        for (const auto& [each, instance] : pool.instances()) {
            pause_end.add(instance.paused_until);
            pause_end.add(instance.refusals.asked_again());
        }
        ASSERT_EQ(pool.next_pause_end(), pause_end.at()) << i;
    }
}

}  // namespace
}  // namespace emprops::jobs
