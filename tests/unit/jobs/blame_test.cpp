// Who is to blame when a process ends: a job, the machine, or nobody.

#include "supervisor/jobs/blame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::jobs {
namespace {

using Kind = Verdict::Kind;
const Victim service{"c", 0, true};

Verdict job(const std::string& id) {
    return {Kind::job, {id}};
}

TEST(Blame, TheOnlyJobOfAConnectorThatTellsNothing) {
    Blame blame;
    EXPECT_EQ(blame.service_died(service, {"a"}, true), job("a"));
    EXPECT_EQ(blame.service_died(service, {"a"}, true), job("a"));
}

TEST(Blame, NobodyWhereNothingWasBegun) {
    Blame blame;
    EXPECT_EQ(blame.service_died(service, {}, true), Verdict{});
    EXPECT_EQ(blame.service_died(service, {"a"}, false), Verdict{}) << "it was never healthy";
    blame.sent(service, "x");
    blame.ended(service, "x", true);
    EXPECT_EQ(blame.service_died(service, {"a"}, true), Verdict{}) << "a still fetches its inputs";
}

TEST(Blame, OfSeveralTheOneThatWasBegun) {
    Blame blame;
    for (const char* id : {"a", "b", "c"})
        blame.sent(service, id);
    blame.begun(service, "b");
    EXPECT_EQ(blame.service_died(service, {"a", "b", "c"}, true), job("b"));
}

TEST(Blame, OfSeveralWithNoneKnownToBeBegunNobody) {
    Blame blame;
    blame.sent(service, "a");
    blame.sent(service, "b");
    EXPECT_EQ(blame.service_died(service, {"a", "b", "c"}, true), (Verdict{Kind::unclear, {"a", "b"}}));
    Blame silent;
    EXPECT_EQ(silent.service_died(service, {"a", "b"}, true), (Verdict{Kind::unclear, {"a", "b"}}));
    Blame parallel;
    for (const char* id : {"a", "b"}) {
        parallel.sent(service, id);
        parallel.begun(service, id);
    }
    EXPECT_EQ(parallel.service_died(service, {"a", "b"}, true), (Verdict{Kind::unclear, {"a", "b"}}));
}

TEST(Blame, TheOnlyOneThatWasSentEvenIfItsBeginWasNotHeard) {
    Blame blame;
    blame.sent(service, "earlier");
    blame.begun(service, "earlier");
    blame.ended(service, "earlier", true);
    blame.sent(service, "a");
    EXPECT_EQ(blame.service_died(service, {"a", "fetching"}, false), job("a"))
        << "its process exits in the first node, before anybody has asked for its health";
}

TEST(Blame, WhatWasSaidHoldsForOneLifeOfTheService) {
    Blame blame;
    blame.sent(service, "a");
    blame.begun(service, "a");
    EXPECT_EQ(blame.service_died(service, {"a", "b"}, true), job("a"));
    EXPECT_EQ(blame.service_died(service, {"a", "b"}, false), Verdict{}) << "the new one never answered";
    blame.sent(service, "a");
    blame.sent(service, "b");
    blame.begun(service, "b");
    EXPECT_EQ(blame.service_died(service, {"a", "b"}, true).kind, Kind::machine)
        << "a and b, no success between";
}

TEST(Blame, AConnectorThatDoesNotSayThatItSendsAJobOnceMore) {
    Blame blame;
    blame.sent(service, "a");
    EXPECT_EQ(blame.service_died(service, {"a", "fetching"}, true), job("a"));
    EXPECT_EQ(blame.service_died(service, {"a", "fetching"}, false), Verdict{});
    EXPECT_EQ(blame.service_died(service, {"a", "fetching"}, true), job("a"));
    blame.given(service, "a");
    EXPECT_EQ(blame.service_died(service, {"a"}, true), Verdict{}) << "another run of it";
}

TEST(Blame, AcceptedBeforeItIsSentSaysNothingOfTheService) {
    Blame blame;
    blame.begun(service, "a");
    EXPECT_EQ(blame.service_died(service, {"a"}, true), job("a")) << "a connector that tells nothing more";
    EXPECT_EQ(blame.service_died(service, {"a"}, true), job("a"));
    blame.begun(service, "b");
    blame.begun(service, "a");
    blame.sent(service, "a");
    EXPECT_EQ(blame.service_died(service, {"a", "b"}, true), job("a")) << "b fetches its inputs";
}

TEST(Blame, SentOnceMoreIsNotBegun) {
    Blame blame;
    blame.sent(service, "a");
    blame.begun(service, "a");
    blame.sent(service, "a");
    blame.sent(service, "b");
    EXPECT_EQ(blame.service_died(service, {"a", "b"}, true).kind, Kind::unclear);
}

TEST(Blame, AJobWhoseFailureCameBeforeTheNewsOfTheDeath) {
    Blame blame;
    blame.sent(service, "a");
    blame.begun(service, "a");
    blame.ended(service, "a", false);
    EXPECT_EQ(blame.service_died(service, {"a"}, true), job("a"));
}

TEST(Blame, WhatWasSaidOfAnEarlierRunIsOver) {
    Blame blame;
    blame.sent(service, "a");
    blame.begun(service, "a");
    blame.ended(service, "a", false);
    blame.given(service, "a");
    blame.sent(service, "b");
    blame.begun(service, "b");
    EXPECT_EQ(blame.service_died(service, {"a", "b"}, true), job("b"));
}

TEST(Blame, TwoDifferentJobsAccuseTheMachineUntilASuccess) {
    Blame blame;
    EXPECT_EQ(blame.service_died(service, {"a"}, true), job("a"));
    EXPECT_EQ(blame.service_died(service, {"b"}, true), (Verdict{Kind::machine, {"a", "b"}}));
    EXPECT_EQ(blame.service_died(service, {"c"}, true), (Verdict{Kind::machine, {"a", "b", "c"}}));
    EXPECT_EQ(blame.service_died(service, {"a"}, true), (Verdict{Kind::machine, {"b", "c", "a"}}));
    blame.ended(service, "d", true);
    EXPECT_EQ(blame.service_died(service, {"a"}, true), job("a"));
    blame.ended(service, "d", true);
    EXPECT_EQ(blame.service_died(service, {"b"}, true), job("b")) << "a success between";
}

TEST(Blame, AFailureIsNoSuccess) {
    Blame blame;
    blame.service_died(service, {"a"}, true);
    blame.ended(service, "x", false);
    EXPECT_EQ(blame.service_died(service, {"b"}, true).kind, Kind::machine);
}

TEST(Blame, ATrialThatWentWellEndsAnAccusationAndNothingElse) {
    Blame blame;
    blame.service_died(service, {"a"}, true);
    blame.trial_went_well(service);
    EXPECT_EQ(blame.service_died(service, {"b"}, true).kind, Kind::machine) << "there was no trial yet";
    blame.trial_went_well(service);
    EXPECT_EQ(blame.service_died(service, {"c"}, true), job("c"));
}

TEST(Blame, EachThingThatDiesHasADocketOfItsOwn) {
    Blame blame;
    const Victim other{"c", 1, true};
    const Victim connector{"c", 0, false};
    EXPECT_EQ(blame.service_died(service, {"a"}, true), job("a"));
    EXPECT_EQ(blame.service_died(other, {"b"}, true), job("b"));
    EXPECT_EQ(blame.judge(connector, {"d"}), job("d"));
    EXPECT_EQ(blame.judge(connector, {"e", "f"}).kind, Kind::unclear);
}

TEST(Blame, WordsOfFailedJobsAreBounded) {
    Blame blame;
    for (int i = 0; i < 1000; ++i) {
        const std::string id = "j" + std::to_string(i);
        blame.sent(service, id);
        blame.ended(service, id, false);
    }
    EXPECT_EQ(blame.service_died(service, {"j1"}, true), Verdict{}) << "long ago";
    for (int i = 0; i < 20; ++i)
        blame.service_died(service, {"x"}, true);
}

}  // namespace
}  // namespace emprops::jobs
