// Files of ours, and who else may be behind their names.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "supervisor/base/privacy.h"
#include "tests/support/temp_dir.h"

namespace emprops {
namespace {

using test::TempDir;
using testing::HasSubstr;

TEST(OwnFile, IsNotOpenedThroughALink) {
    const TempDir dir;
    std::ofstream(dir.path() / "victim") << "mine";
    std::filesystem::create_symlink(dir.path() / "victim", dir.path() / "lock");
    std::filesystem::create_symlink(dir.path() / "nothing", dir.path() / "dangling");
    for (const char* name : {"lock", "dangling"}) {
        EXPECT_EQ(open_own_file(dir.path() / name, O_RDWR | O_CREAT), -1) << name;
        EXPECT_THAT(open_problem(errno), HasSubstr("it is a link"));
    }
    EXPECT_FALSE(std::filesystem::exists(dir.path() / "nothing"));
    const int plain = open_own_file(dir.path() / "plain", O_RDWR | O_CREAT);
    EXPECT_GE(plain, 0);
    ::close(plain);
}

TEST(OwnFolder, ThatOthersMayWriteIsNamedWithTheCure) {
    const TempDir dir;
    for (const mode_t mode : {0700U, 0755U, 0775U, 02770U}) {
        ::chmod(dir.path().c_str(), mode);
        EXPECT_EQ(others_may_write(dir.path(), "worker.state_dir"), "") << std::oct << mode;
    }
    for (const mode_t mode : {0777U, 01777U, 0702U}) {
        ::chmod(dir.path().c_str(), mode);
        EXPECT_THAT(
            others_may_write(dir.path(), "worker.state_dir"),
            testing::AllOf(HasSubstr("chmod o-w " + dir.path().string()), HasSubstr("worker.state_dir")))
            << std::oct << mode;
    }
    ::chmod(dir.path().c_str(), 0700);
    EXPECT_EQ(others_may_write(dir.path() / "not there", "x"), "");
}

TEST(Locks, OnlyOneErrnoMeansSomebodyElse) {
    EXPECT_FALSE(means_no_locks(EWOULDBLOCK));
    for (const int number : {ENOSYS, ENOLCK, EOPNOTSUPP, EIO, EINVAL})
        EXPECT_TRUE(means_no_locks(number)) << number;
    EXPECT_THAT(without_locks(ENOLCK, "worker.state_dir"),
                testing::AllOf(HasSubstr("no locks"), HasSubstr("worker.state_dir")));
}

}  // namespace
}  // namespace emprops
