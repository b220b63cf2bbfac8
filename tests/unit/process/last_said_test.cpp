#include "supervisor/process/last_said.h"

#include <gtest/gtest.h>

namespace emprops::process {
namespace {

using namespace std::chrono_literals;

TEST(LastSaid, TellsTheNewestPrintAndComplaintWithTheirAge) {
    LastSaid said;
    const TimePoint now = TimePoint{} + 1h;
    EXPECT_EQ(said.why(now, "c is ready"), "");
    said.printed("loading", now - 9s);
    said.printed("loaded", now - 3s);
    EXPECT_EQ(said.why(now, "c is ready"), "; it last printed, 3 s ago: \"loaded\"");
    said.complained("no message", now - 2s);
    EXPECT_EQ(
        said.why(now, "c is ready", "its service"),
        "; newest complaint about its lines, 2 s ago: no message; its service last printed, 3 s ago: \"loaded\"");
    EXPECT_EQ(said.why(now, "its last line: \"loaded\""),
              "; newest complaint about its lines, 2 s ago: no message")
        << "nothing is said twice";
}

TEST(LastSaid, WhatIsOlderThanTheProcessBeforeIsForgotten) {
    LastSaid said;
    const TimePoint now = TimePoint{} + 1h;
    said.process_started(now);
    said.complained("no message", now + 1s);
    said.process_started(now + 2s);
    EXPECT_NE(said.why(now + 2s, ""), "") << "it may say why there is another process";
    said.process_started(now + 3s);
    EXPECT_EQ(said.why(now + 3s, ""), "");
}

TEST(LastSaid, IsCutBetweenCharacters) {
    LastSaid said;
    said.complained(std::string(299, 'x') + "\u00e9\u00e9", TimePoint{});
    EXPECT_EQ(said.why(TimePoint{}, ""),
              "; newest complaint about its lines, 0 ms ago: " + std::string(299, 'x') + "\u2026");
}

}  // namespace
}  // namespace emprops::process
