#include "ipc/text/people.h"

#include <gtest/gtest.h>

namespace emprops {
namespace {

using namespace std::chrono_literals;

TEST(HumanDuration, ShowsTwoUnitsAtMost) {
    EXPECT_EQ(human_duration(0ms), "0 ms");
    EXPECT_EQ(human_duration(850ms), "850 ms");
    EXPECT_EQ(human_duration(1500ms), "1.5 s");
    EXPECT_EQ(human_duration(8s), "8 s");
    EXPECT_EQ(human_duration(12'600ms), "13 s");
    EXPECT_EQ(human_duration(125s), "2 min 5 s");
    EXPECT_EQ(human_duration(120s), "2 min");
    EXPECT_EQ(human_duration(3h + 4min), "3 h 4 min");
    EXPECT_EQ(human_duration(72h), "3 d");
    EXPECT_EQ(human_duration(-3s), "-3 s");
}

TEST(HumanBytes, PicksAUnit) {
    EXPECT_EQ(human_bytes(17), "17 B");
    EXPECT_EQ(human_bytes(512 * 1024), "512 KiB");
    EXPECT_EQ(human_bytes(34ull << 20), "34 MiB");
    EXPECT_EQ(human_bytes(1288490188), "1.2 GiB");
    EXPECT_EQ(human_bytes(120ull << 20), "120 MiB");
    EXPECT_EQ(human_bytes(0), "0 B");
}

TEST(People, SeveralLinesBecomeOne) {
    EXPECT_EQ(in_one_line("a"), "a");
    EXPECT_EQ(in_one_line(" \n a\r\n\t b,\n c \t d\x7F\n\n"), "a, b, c d");
    EXPECT_EQ(in_one_line("\xC3\xA9\n\xC3\xA8"), "\xC3\xA9, \xC3\xA8");
    EXPECT_EQ(in_one_line("\n \n"), "");
}

}  // namespace
}  // namespace emprops
