#include "connector-sdk/cpp/src/by_hand.h"

#include <gmock/gmock.h>

namespace emprops::sdk {
namespace {

using ::testing::HasSubstr;

Invocation by_supervisor() {
    Invocation invocation;
    invocation.args = {"/opt/bin/emprops-connector-echo"};
    invocation.from_supervisor = true;
    return invocation;
}

TEST(ByHand, AStartByTheSupervisorGetsNoAnswer) {
    EXPECT_FALSE(answer_by_hand(by_supervisor()));
}

TEST(ByHand, AStartByHandSaysWhatItIsAndHowToUseItAndIsAUsageError) {
    Invocation invocation = by_supervisor();
    invocation.from_supervisor = false;
    const auto answer = answer_by_hand(invocation);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->exit_code, 64);
    EXPECT_FALSE(answer->to_stdout);
    EXPECT_THAT(answer->text, HasSubstr("\"echo\", a connector for emprops-worker"));
    EXPECT_THAT(answer->text, HasSubstr("CONNECTORS=echo"));
    EXPECT_THAT(answer->text, HasSubstr("/opt/bin/emprops-connector-echo"));
}

TEST(ByHand, ATerminalIsNoSupervisor) {
    Invocation invocation = by_supervisor();
    invocation.stdin_is_terminal = true;
    ASSERT_TRUE(answer_by_hand(invocation));
    EXPECT_EQ(answer_by_hand(invocation)->exit_code, 64);
}

TEST(ByHand, VersionAndHelpSucceedOnStdout) {
    Invocation invocation = by_supervisor();
    invocation.name = "echo2";
    invocation.version = "1.2";
    invocation.args.push_back("--version");
    EXPECT_EQ(answer_by_hand(invocation)->text, "echo2 1.2\n");
    EXPECT_EQ(answer_by_hand(invocation)->exit_code, 0);
    invocation.args.back() = "--help";
    EXPECT_EQ(answer_by_hand(invocation)->exit_code, 0);
    EXPECT_TRUE(answer_by_hand(invocation)->to_stdout);
}

TEST(ByHand, TheNameIsTakenFromTheProgram) {
    EXPECT_EQ(name_of_program("/usr/bin/emprops-connector-echo"), "echo");
    EXPECT_EQ(name_of_program("my-thing"), "my-thing");
    EXPECT_EQ(name_of_program("emprops-connector-"), "connector");
    EXPECT_EQ(name_of_program(""), "connector");
}

}  // namespace
}  // namespace emprops::sdk
