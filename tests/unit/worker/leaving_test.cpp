// How the worker leaves: signals, notices, a Hub that refuses, and how long outcomes are waited for.

#include "supervisor/worker/leaving.h"

#include <gtest/gtest.h>

#include <string>

#include "ipc/overload.h"
#include "supervisor/base/exit_codes.h"

namespace emprops::test {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

Lines words(Leaving& leaving) {
    static constexpr const char* modes[] = {"graceful", "deadline", "now"};
    Lines lines;
    for (const auto& action : leaving.take_actions())
        lines.push_back(
            std::visit(Overload{[](const Leaving::Drain& a) {
                                    return std::string("drain ") + modes[static_cast<int>(a.mode)];
                                },
                                [](const Leaving::Kill&) { return std::string("kill"); },
                                [](const Leaving::Stop&) { return std::string("stop"); },
                                [](const Leaving::End& a) { return "end " + std::to_string(a.exit_code); }},
                       action));
    return lines;
}

const TimePoint start{1h};

TEST(Leaving, ASignalDrainsAndTheWorkerStopsWhenNothingIsLeft) {
    Leaving leaving(jobs::DrainMode::graceful);
    leaving.look(start, true, true);
    EXPECT_EQ(words(leaving), Lines()) << "it runs, and an idle worker stays";
    leaving.signal();
    EXPECT_EQ(words(leaving), Lines({"drain graceful"}));
    leaving.look(start, false, true);
    EXPECT_EQ(words(leaving), Lines()) << "a job runs";
    leaving.look(start, true, true);
    EXPECT_EQ(words(leaving), Lines({"stop"}));
    leaving.look(start, true, true);
    EXPECT_EQ(words(leaving), Lines()) << "once";
    leaving.stopped();
    EXPECT_EQ(words(leaving), Lines({"end 0"}));
    EXPECT_EQ(leaving.phase(), Leaving::Phase::ended);
}

TEST(Leaving, TheSecondSignalGivesJobsBackAndTheThirdKillsFromAnywhere) {
    Leaving leaving(jobs::DrainMode::deadline);
    leaving.signal();
    leaving.signal();
    EXPECT_EQ(words(leaving), Lines({"drain deadline", "drain now"}));
    leaving.signal();
    EXPECT_EQ(words(leaving), Lines({"kill", "end 0"}));
    leaving.stopped();
    leaving.refused();
    EXPECT_EQ(words(leaving), Lines()) << "it has ended";
}

TEST(Leaving, OutcomesAreWaitedForTenSecondsAfterTheLastJob) {
    Leaving leaving(jobs::DrainMode::graceful);
    leaving.signal();
    leaving.look(start, false, false);
    EXPECT_EQ(leaving.next_wakeup(), std::nullopt);
    leaving.look(start + 1h, true, false);
    EXPECT_EQ(leaving.next_wakeup(), start + 1h + 10s);
    leaving.look(start + 1h + 5s, true, false);
    EXPECT_EQ(leaving.next_wakeup(), start + 1h + 10s) << "the time runs on";
    EXPECT_EQ(words(leaving), Lines({"drain graceful"}));
    leaving.look(start + 1h + 10s, true, false);
    EXPECT_EQ(words(leaving), Lines({"stop"}));
    EXPECT_EQ(leaving.next_wakeup(), std::nullopt);
}

TEST(Leaving, ANoticeDrainsWithADeadline) {
    Leaving leaving(jobs::DrainMode::now);
    leaving.notice();
    EXPECT_EQ(words(leaving), Lines({"drain deadline"}));
    EXPECT_EQ(leaving.phase(), Leaving::Phase::leaving);
}

TEST(Leaving, WhomTheHubRefusesStopsAtOnceAndSaysSoInItsExitCode) {
    Leaving leaving(jobs::DrainMode::graceful);
    leaving.refused();
    leaving.refused();
    EXPECT_EQ(words(leaving), Lines({"stop"}));
    leaving.stopped();
    EXPECT_EQ(words(leaving), Lines({"end " + std::to_string(exit_unavailable)}));
}

TEST(Leaving, PhasesHaveNames) {
    EXPECT_STREQ(to_string(Leaving::Phase::running), "running");
    EXPECT_STREQ(to_string(Leaving::Phase::ended), "ended");
}

}  // namespace
}  // namespace emprops::test
