#include "supervisor/cli/table.h"

#include <gtest/gtest.h>

namespace emprops::cli {
namespace {

TEST(Table, AlignsColumnsByCharactersNotBytes) {
    Table table({"NAME", "X"});
    table.add({"größe", "1"});
    table.add({"a", "2"});
    EXPECT_EQ(table.print(0), "NAME   X\ngröße  1\na      2\n");
}

TEST(Table, CutsTheLastColumnToFitTheTerminal) {
    Table table({"NAME", "WHY"});
    table.add({"comfyui", "waiting 8 s to restart: third death in 2 min"});
    const auto text = table.print(30);
    EXPECT_EQ(text, "NAME     WHY\ncomfyui  waiting 8 s to resta…\n");
    EXPECT_EQ(table.print(5), "NAME     WHY\ncomfyui  waiting 8…\n") << "never below ten characters";
}

TEST(Table, CutNeverSplitsACharacter) {
    EXPECT_EQ(cut("äöü", 3), "äöü");
    EXPECT_EQ(cut("äöüß", 3), "äö…");
    EXPECT_EQ(cut("abc", 0), "");
    EXPECT_EQ(cut("abc", 1), "…");
}

TEST(Table, LongCellsInTheMiddleAreCutToo) {
    Table table({"JOB", "TYPES", "MESSAGE"});
    table.add({std::string(60, 'j'), std::string(200, 't'), "some message that is long"});
    table.add({"short", "t", "m"});
    const auto text = table.print(80);
    std::size_t longest = 0;
    for (std::size_t begin = 0; begin < text.size(); begin = text.find('\n', begin) + 1)
        longest = std::max(longest, display_width(text.substr(begin, text.find('\n', begin) - begin)));
    EXPECT_LE(longest, 80u) << text;
    EXPECT_NE(text.find("jjj…  ttt"), std::string::npos) << text;
    EXPECT_NE(text.find("some mess…"), std::string::npos) << text;
    EXPECT_NE(table.print(0).find(std::string(200, 't')), std::string::npos);
}

TEST(Table, IsNeverNarrowerThanItsSmallestColumns) {
    Table table({"A", "B", "C"});
    table.add({"0123456789", "0123456789", "0123456789"});
    EXPECT_NE(table.print(5).find("0123456…  0123456…  0123456789"), std::string::npos) << table.print(5);
}

}  // namespace
}  // namespace emprops::cli
