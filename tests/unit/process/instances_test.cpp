// Which instances there are after a load and a reload. Their program does not exist: no process is started.

#include "supervisor/process/instances.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

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
        around.changed = [] {};
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

}  // namespace
}  // namespace emprops::process
