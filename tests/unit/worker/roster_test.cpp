// What the Hub's monitors are told of connectors.

#include "supervisor/worker/roster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ipc/overload.h"

namespace emprops::test {
namespace {

using Lines = std::vector<std::string>;
using testing::HasSubstr;

config::Settings connectors(const std::vector<std::string>& names) {
    config::Settings settings;
    for (const std::string& name : names) {
        config::ConnectorSettings connector;
        connector.name = name;
        connector.supervision.job_timeout = std::chrono::seconds(name.size());
        settings.connectors.push_back(connector);
    }
    settings.supervision.job_timeout = std::chrono::seconds(99);
    return settings;
}

Lines words(Roster& roster) {
    Lines lines;
    for (const auto& action : roster.take_actions())
        lines.push_back(
            std::visit(Overload{[](const Roster::SetStatus& a) {
                                    return a.connector +
                                           (a.status.available ? " works" : " does not: " + a.status.reason);
                                },
                                [](const Roster::ForgetStatus& a) { return "forget " + a.connector; },
                                [](const Roster::SetCapabilities& a) { return a.capabilities.dump(); }},
                       action));
    return lines;
}

struct Crew {
    Roster roster{{{"version", "1"}}};
    std::uint64_t generation = 0;

    explicit Crew(const std::vector<std::string>& names) {
        roster.configure(connectors(names));
        words(roster);
    }
    process::InstanceId ready(const std::string& name, int steps, bool status = false) {
        const process::InstanceId id{name, 0, ++generation};
        roster.ready(id, info(steps, status));
        return id;
    }
    static process::InstanceInfo info(int steps, bool status = false) {
        process::InstanceInfo info;
        info.job_types = {"t"};
        info.features.status = status;
        info.capabilities = {{"steps", steps}};
        return info;
    }
};

TEST(Roster, TellsCapabilitiesInTheOrderOfTheConfigurationOnceATurn) {
    Crew crew({"b", "a"});
    crew.ready("a", 1);
    const auto b = crew.ready("b", 2);
    EXPECT_EQ(words(crew.roster),
              Lines({"a works", "b works", R"({"a_steps":1,"b_steps":2,"version":"1"})"}));
    for (int steps = 3; steps < 6; ++steps)
        crew.roster.changed(b, Crew::info(steps));
    EXPECT_EQ(words(crew.roster), Lines({R"({"a_steps":1,"b_steps":5,"version":"1"})"}));
    EXPECT_EQ(words(crew.roster), Lines());
}

TEST(Roster, OfSeveralProcessesOfOneConnectorTheFirstSpeaks) {
    Crew crew({"a"});
    const auto old = crew.ready("a", 1);
    crew.ready("a", 2);
    EXPECT_EQ(words(crew.roster).back(), R"({"a_steps":1,"version":"1"})");
    crew.roster.leaving(old);
    EXPECT_EQ(words(crew.roster), Lines({R"({"a_steps":2,"version":"1"})"})) << "and its service still works";
    crew.roster.gone(old);
    EXPECT_EQ(words(crew.roster), Lines());
}

TEST(Roster, AConnectorThatTellsItsStatusSpeaksForItself) {
    Crew crew({"a"});
    const auto a = crew.ready("a", 1, true);
    EXPECT_EQ(words(crew.roster).size(), 1u);
    ipc::Status status;
    status.reason = "port 8188 refuses";
    crew.roster.status(a, status);
    crew.roster.status({"stranger", 0, 9}, status);
    EXPECT_EQ(words(crew.roster), Lines({"a does not: port 8188 refuses"}));
}

TEST(Roster, ThatTheLastProcessHasLeftIsSaid) {
    Crew crew({"a"});
    const auto a = crew.ready("a", 1);
    words(crew.roster);
    crew.roster.leaving(a);
    EXPECT_EQ(words(crew.roster), Lines({"a does not: the connector is not running", R"({"version":"1"})"}));
    EXPECT_EQ(crew.roster.ready_instances(), 0);
}

TEST(Roster, AConnectorThatAReloadRemovedIsForgottenWhenItsLastProcessLeaves) {
    Crew crew({"a", "never_started", "b"});
    const auto a = crew.ready("a", 1);
    words(crew.roster);
    crew.roster.configure(connectors({"b"}));
    EXPECT_EQ(words(crew.roster), Lines({"forget never_started", R"({"version":"1"})"}));
    crew.roster.leaving(a);
    EXPECT_EQ(words(crew.roster).front(), "forget a");
}

TEST(Roster, KnowsTheConfiguredNamesAndTheirPolicies) {
    Crew crew({"b", "aa"});
    EXPECT_TRUE(crew.roster.known("aa"));
    EXPECT_EQ(crew.roster.known("x").error().code, "not_found");
    EXPECT_THAT(crew.roster.known("x").error().message, HasSubstr("'x'; loaded: b, aa"));
    EXPECT_THAT(Crew({}).roster.known("x").error().message, HasSubstr("loaded: none"));
    EXPECT_EQ(crew.roster.policy("aa").job_timeout, std::chrono::seconds(2));
    EXPECT_EQ(crew.roster.policy("gone").job_timeout, std::chrono::seconds(99));
    crew.ready("b", 1);
    EXPECT_TRUE(crew.roster.serves("b", "t"));
    EXPECT_FALSE(crew.roster.serves("b", "u"));
    EXPECT_FALSE(crew.roster.serves("aa", "t"));
}

}  // namespace
}  // namespace emprops::test
