#include "connector-sdk/cpp/src/wake_pipe.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace emprops::sdk {
namespace {

TEST(WakePipe, SigpipeIsCaughtAndNotIgnoredSoThatProgramsThatAreStartedHaveItsDefault) {
    const WakePipe pipe;
    struct sigaction action {};
    ASSERT_EQ(::sigaction(SIGPIPE, nullptr, &action), 0);
    EXPECT_NE(action.sa_handler, SIG_IGN) << "exec keeps that";
    EXPECT_NE(action.sa_handler, SIG_DFL) << "that would end us";
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    ::close(ends[0]);
    EXPECT_EQ(::write(ends[1], "x", 1), -1);
    EXPECT_EQ(errno, EPIPE);
    ::close(ends[1]);
}

}  // namespace
}  // namespace emprops::sdk
