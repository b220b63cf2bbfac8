// The lock of a state folder: one worker at a time, no links, and a cleaner of old files.

#include "supervisor/jobs/state_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace emprops::jobs {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

TEST(StateLock, IsForOneAtATime) {
    const emprops::test::TempDir dir;
    {
        auto first = StateLock::acquire(dir.path());
        ASSERT_TRUE(first);
        const auto second = StateLock::acquire(dir.path());
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code, "locked");
        EXPECT_THAT(second.error().message,
                    AllOf(HasSubstr("another worker"), HasSubstr(std::to_string(::getpid()))));
    }
    EXPECT_TRUE(StateLock::acquire(dir.path()));
}

TEST(StateLock, IsNotTakenThroughALink) {
    const emprops::test::TempDir dir;
    std::ofstream(dir.path() / "victim") << "mine";
    fs::create_symlink(dir.path() / "victim", dir.path() / "lock");
    const auto refused = StateLock::acquire(dir.path());
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("it is a link"));
    std::ifstream victim(dir.path() / "victim");
    std::string text;
    victim >> text;
    EXPECT_EQ(text, "mine");
}

TEST(StateLock, InAFolderThatOthersMayWriteIsRefusedWithTheCommand) {
    const emprops::test::TempDir dir;
    ::chmod(dir.path().c_str(), 0777);
    const auto refused = StateLock::acquire(dir.path());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "state_dir");
    EXPECT_THAT(refused.error().message, HasSubstr("chmod o-w " + dir.path().string()));
    ::chmod(dir.path().c_str(), 0775);
    EXPECT_TRUE(StateLock::acquire(dir.path())) << "a group is the owner's choice";
}

TEST(StateLock, ThatACleanerRemovedIsTakenAgain) {
    const emprops::test::TempDir dir;
    auto lock = StateLock::acquire(dir.path() / "state");
    ASSERT_TRUE(lock);
    EXPECT_FALSE(lock->look().value());
    for (const fs::path& removed : {dir.path() / "state" / "lock", dir.path() / "state"}) {
        fs::remove_all(removed);
        EXPECT_TRUE(lock->look().value()) << removed;
        EXPECT_FALSE(lock->look().value());
        EXPECT_FALSE(StateLock::acquire(dir.path() / "state")) << "it is ours again";
    }
}

TEST(StateLock, ThatAnotherWorkerTookMeanwhileIsToldAndLeftToIt) {
    const emprops::test::TempDir dir;
    auto lock = StateLock::acquire(dir.path());
    ASSERT_TRUE(lock);
    fs::remove(dir.path() / "lock");
    auto other = StateLock::acquire(dir.path());
    ASSERT_TRUE(other);
    const auto seen = lock->look();
    ASSERT_FALSE(seen);
    EXPECT_THAT(seen.error().message, HasSubstr("another worker"));
    EXPECT_FALSE(other->look().value());
}

}  // namespace
}  // namespace emprops::jobs
