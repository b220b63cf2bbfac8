#include "config/dotenv.h"

#include <gtest/gtest.h>

#include <map>

namespace emprops::config {
namespace {

std::map<std::string, std::string> outside;

Dotenv parse(std::string_view text) {
    return parse_dotenv(text, [](const std::string& name) {
        const auto found = outside.find(name);
        return found == outside.end() ? std::nullopt : std::optional<std::string>(found->second);
    });
}

/// The value of the only variable; "?" followed by what went wrong otherwise.
std::string value(std::string_view text) {
    const Dotenv parsed = parse(text);
    if (!parsed.problems.empty()) return "? " + parsed.problems.front().message;
    if (parsed.variables.size() != 1) return "? " + std::to_string(parsed.variables.size()) + " variables";
    return parsed.variables.front().value;
}

TEST(Dotenv, CommentsBlankLinesAndExportAreUnderstood) {
    const Dotenv parsed = parse("# head\n\n  A=1\nexport B = two words  \r\n\t# more\nC=\n");
    ASSERT_EQ(parsed.variables.size(), 3U);
    EXPECT_EQ(parsed.variables[0].name, "A");
    EXPECT_EQ(parsed.variables[0].line, 3);
    EXPECT_EQ(parsed.variables[1].name, "B");
    EXPECT_EQ(parsed.variables[1].value, "two words");
    EXPECT_EQ(parsed.variables[2].name, "C");
    EXPECT_EQ(parsed.variables[2].value, "");
    EXPECT_TRUE(parsed.problems.empty());
}

TEST(Dotenv, AnInlineCommentNeedsASpaceBeforeIt) {
    EXPECT_EQ(value("A=b # note"), "b");
    EXPECT_EQ(value("A=b#c"), "b#c");
    EXPECT_EQ(value("A=#c"), "#c");
    EXPECT_EQ(value("A= # nothing"), "");
    EXPECT_EQ(value("A='b # c' # note"), "b # c");
}

TEST(Dotenv, QuotesKeepSpacesAndGoOverLines) {
    EXPECT_EQ(value("A=\" x \""), " x ");
    EXPECT_EQ(value("A='one\ntwo'\n"), "one\ntwo");
    const Dotenv parsed = parse("A=\"1\n2\"\nB=3");
    ASSERT_EQ(parsed.variables.size(), 2U);
    EXPECT_EQ(parsed.variables[1].line, 3);
}

TEST(Dotenv, DoubleQuotesKnowMoreEscapesThanSingleOnes) {
    EXPECT_EQ(value(R"(A="a\tb\n\"c\" \\ \' \q")"), "a\tb\n\"c\" \\ ' \\q");
    EXPECT_EQ(value(R"(A='a\tb \' \\')"), "a\\tb ' \\");
    EXPECT_EQ(value(R"(A=a\tb)"), "a\\tb");
}

TEST(Dotenv, BracedVariablesComeFromOutsideThenFromAbove) {
    outside = {{"HOST", "out"}};
    const Dotenv parsed =
        parse("HOST=in\nPORT=1\nURL=ws://${HOST}:${PORT}/${NONE:-x}\nRAW='${HOST}'\nD=$HOST\n");
    ASSERT_EQ(parsed.variables.size(), 5U);
    EXPECT_EQ(parsed.variables[2].value, "ws://out:1/x");
    EXPECT_EQ(parsed.variables[3].value, "${HOST}");
    EXPECT_EQ(parsed.variables[4].value, "$HOST");
    EXPECT_TRUE(parsed.problems.empty());
    outside.clear();
}

TEST(Dotenv, AnUnknownVariableIsEmptyAndAWarning) {
    const Dotenv parsed = parse("A=x${NOPE}y");
    ASSERT_EQ(parsed.variables.size(), 1U);
    EXPECT_EQ(parsed.variables[0].value, "xy");
    ASSERT_EQ(parsed.problems.size(), 1U);
    EXPECT_TRUE(parsed.problems[0].warning);
}

TEST(Dotenv, EveryLineThatIsNoVariableIsAProblemAndTheOthersStillCount) {
    const Dotenv parsed = parse("GOOD=1\nno equals\n1BAD=x\nQ=\"open\nT='a' b\n=x\nLAST=2\n");
    ASSERT_EQ(parsed.problems.size(), 5U);
    EXPECT_EQ(parsed.problems[0].line, 2);
    EXPECT_EQ(parsed.problems[1].line, 3);
    EXPECT_EQ(parsed.problems[2].line, 4);
    EXPECT_EQ(parsed.problems[3].line, 5);
    EXPECT_EQ(parsed.problems[4].line, 6);
    ASSERT_EQ(parsed.variables.size(), 2U);
    EXPECT_EQ(parsed.variables[1].name, "LAST");
}

TEST(Dotenv, ByteOrderMarkAndMissingLastNewlineDoNotMatter) {
    EXPECT_EQ(value("\xef\xbb\xbf"
                    "A=1"),
              "1");
}

TEST(Dotenv, ANulCharacterIsRefused) {
    EXPECT_EQ(value(std::string_view("A=x\0y", 5)), "? `A` contains a NUL character");
}

}  // namespace
}  // namespace emprops::config
