// Which instances there are after a load and a reload. Their program does not exist: no process is started.

#include "supervisor/process/instances.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <random>

#include "tests/support/temp_dir.h"
#include "tests/unit/process/listening_host.h"

namespace emprops::process {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct DeafListener : FleetListener {
    void on_ready(const InstanceId&, const InstanceInfo&) override {}
    void on_changed(const InstanceId&, const InstanceInfo&) override {}
    void on_leaving(const InstanceId&) override {}
    void on_gone(const InstanceId&, const DeathReport&) override {}
    void on_message(const InstanceId&, ipc::FromConnector) override {}
    void on_protocol_error(const InstanceId&, const std::optional<std::string>&, const std::string&,
                           const std::string&) override {}
    void on_status(const InstanceId&, const ipc::Status&) override {}
    void on_service_gone(const std::string&, int, const DeathReport&) override {}
};

struct InstancesBench : testing::Test {
    InstancesBench() {
        around.changed = [this](const std::string& name, int index) { instances.touched(name, index); };
        around.sweep_repeatedly = [](const std::string&) {};
    }
    FleetOptions options() {
        FleetOptions result;
        result.state_dir = folder.path();
        result.random = [] { return 0.5; };
        return result;
    }
    static config::ConnectorSettings connector(const std::string& name, std::uint32_t instances = 1) {
        config::ConnectorSettings settings;
        settings.name = name;
        settings.command = {"/no/such/program"};
        settings.instances = instances;
        return settings;
    }
    std::vector<std::string> names() const {
        std::vector<std::string> result;
        for (const auto& each : instances.connectors())
            result.push_back(each->settings.name + (each->removed ? " (removed)" : ""));
        return result;
    }
    int count() const {
        int result = 0;
        instances.for_each([&](Instance&) { ++result; });
        return result;
    }

    /// When the first of them wants to be called, as a look at each says.
    std::optional<TimePoint> first_of_all() const {
        Earliest first;
        instances.for_each([&](Instance& each) { first.add(each.next_wakeup()); });
        return first.at();
    }
    std::uint64_t starts(const std::string& name) const {
        return instances.find({name, 0, 0})->status().counters.starts;
    }

    test::TempDir folder;
    boost::asio::io_context io;
    ListeningHost host;
    DeafListener listener;
    Surroundings around{io.get_executor(), host, options(), listener};
    Instances instances{around};
};

TEST_F(InstancesBench, AReloadKeepsTheOrderAndWhatIsMissingLeaves) {
    instances.configure({connector("a"), connector("b")});
    Instance* const b = instances.find({"b", 0, 0});
    instances.configure({connector("c"), connector("b")});
    EXPECT_THAT(names(), ElementsAre("c", "b", "a (removed)"));
    EXPECT_EQ(instances.find({"b", 0, 0}), b) << "it did not change";
    EXPECT_FALSE(instances.find({"a", 0, 0})->wanted());
    instances.forget_gone();
    EXPECT_THAT(names(), ElementsAre("c", "b"));
    EXPECT_EQ(instances.find({"a", 0, 0}), nullptr);
}

TEST_F(InstancesBench, WhatComesBackBeforeItHasGoneIsStartedAgain) {
    instances.configure({connector("a")});
    Instance* const a = instances.find({"a", 0, 0});
    instances.configure({});
    EXPECT_FALSE(a->wanted());
    instances.configure({connector("a")});
    EXPECT_EQ(instances.find({"a", 0, 0}), a);
    EXPECT_TRUE(a->wanted());
    EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_F(InstancesBench, FewerInstancesLeaveAndReturnUnderTheirNumber) {
    instances.configure({connector("a", 3)});
    Instance* const third = instances.find({"a", 2, 0});
    instances.configure({connector("a", 1)});
    EXPECT_EQ(instances.connector("a")->instances.size(), 1u);
    EXPECT_EQ(instances.find({"a", 2, 0}), third) << "it is on its way out";
    EXPECT_FALSE(third->wanted());
    EXPECT_EQ(count(), 3);
    instances.configure({connector("a", 3)});
    EXPECT_EQ(instances.find({"a", 2, 0}), third);
    EXPECT_TRUE(third->wanted());
    instances.configure({connector("a", 1)});
    instances.forget_gone();
    EXPECT_EQ(count(), 1);
}

TEST_F(InstancesBench, AnUnknownNameIsAnErrorThatNamesTheOthers) {
    instances.configure({connector("a"), connector("b", 2)});
    EXPECT_THAT(instances.known("x").error().message,
                HasSubstr("there is no connector \"x\"; there are: a, b"));
    EXPECT_EQ(instances.for_each_of("x", [](Instance&) {}).error().code, "not_found");
    std::vector<int> indexes;
    EXPECT_TRUE(instances.for_each_of("b", [&](Instance& each) { indexes.push_back(each.index()); }));
    EXPECT_THAT(indexes, ElementsAre(0, 1));
    instances.clear();
    EXPECT_THAT(instances.known("x").error().message, HasSubstr("there are: none"));
}

TEST_F(InstancesBench, OnlyThoseWhoseTimeHasComeAreCalled) {
    instances.configure({connector("a"), connector("b")});
    const auto a = instances.find({"a", 0, 0})->next_wakeup();
    const auto b = instances.find({"b", 0, 0})->next_wakeup();
    ASSERT_TRUE(a && b) << "they wait to be started once more";
    ASSERT_LT(*a, *b);
    EXPECT_EQ(instances.next_wakeup(), a);
    instances.tick(*a - Ms{1});
    EXPECT_EQ(starts("a"), 1u) << "too early";
    instances.tick(*a);
    EXPECT_EQ(starts("a"), 2u);
    EXPECT_EQ(starts("b"), 1u);
    EXPECT_EQ(instances.next_wakeup(), b) << "the other one waits longer now";
    instances.find({"b", 0, 0})->stop("enough");
    EXPECT_EQ(instances.next_wakeup(), instances.find({"a", 0, 0})->next_wakeup());
}

TEST_F(InstancesBench, WhoHasGoneIsNotWaitedFor) {
    instances.configure({connector("a", 2), connector("b")});
    instances.configure({connector("a", 1)});
    instances.forget_gone();
    EXPECT_EQ(instances.next_wakeup(), instances.find({"a", 0, 0})->next_wakeup());
    instances.tick(*instances.next_wakeup() + std::chrono::hours(1));
    instances.clear();
    EXPECT_EQ(instances.next_wakeup(), std::nullopt);
    instances.touched("a", 0);
    EXPECT_EQ(instances.next_wakeup(), std::nullopt);
}

TEST_F(InstancesBench, NoWakeUpIsMissedWhateverHappens) {
    std::mt19937 random(11);
    const auto any = [&](std::size_t below) { return random() % below; };
    const auto configuration = [&] {
        std::vector<config::ConnectorSettings> all;
        for (const char* name : {"a", "b", "c", "d"}) {
            if (any(4) == 0) continue;
            all.push_back(connector(name, static_cast<std::uint32_t>(1 + any(3))));
            if (any(2) == 0) all.back().service.command = {"/no/such/service"};
        }
        return all;
    };
    for (int i = 0; i < 1000; ++i) {
        std::vector<Instance*> all;
        instances.for_each([&](Instance& each) { all.push_back(&each); });
        const auto action = any(8);
        if (action == 0 || all.empty())
            instances.configure(configuration());
        else if (action == 1)
            instances.tick(Clock::now() + std::chrono::seconds(any(100)));
        else if (Instance& one = *all[any(all.size())]; action == 2)
            one.stop("a test");
        else if (action == 3)
            one.start();
        else if (action == 4)
            one.restart("a test");
        else if (action == 5)
            one.restart_service("a test");
        else if (action == 6)
            one.configure(connector(one.connector()));
        else
            instances.forget_gone();
        const auto next = instances.next_wakeup();
        const auto first = first_of_all();
        const TimePoint now = Clock::now();  // what is due is due at once
        constexpr TimePoint never = TimePoint::max();
        ASSERT_EQ(std::max(next.value_or(never), now), std::max(first.value_or(never), now))
            << "after action " << action;
    }
}

}  // namespace
}  // namespace emprops::process
