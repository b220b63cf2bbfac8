// Scratch folders in real folders: whoever owns the upper ones cannot lead us elsewhere with a link.

#include "supervisor/process/work_dirs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/temp_dir.h"

namespace emprops::process {
namespace {

namespace fs = std::filesystem;

/// The only user that a test without privileges can give anything to.
UserIds ourselves() {
    return {::getuid(), ::getgid(), {::getgid()}};
}

TEST(WorkDirs, AJobsFolderIsMadeAndKeptWhenItIsThere) {
    test::TempDir state;
    WorkDirs dirs(state.path());
    ASSERT_TRUE(dirs.make_instance("c", 0, ourselves()).ok());
    const auto folder = dirs.make_job("c", 0, "../x", ourselves());
    ASSERT_TRUE(folder.ok()) << folder.error().message;
    EXPECT_EQ(*folder, dirs.job("c", 0, "../x"));
    EXPECT_TRUE(fs::is_directory(*folder));
    EXPECT_EQ(dirs.make_job("c", 0, "../x", ourselves()).value(), *folder);
}

TEST(WorkDirs, AJobMovesToAnotherIndexButNeverThroughALink) {
    test::TempDir state;
    test::TempDir elsewhere;
    WorkDirs dirs(state.path());
    const fs::path folder = dirs.make_job("c", 0, "j", {}).value();
    const fs::path other = dirs.make_instance("c", 1, {}).value();
    fs::create_directory_symlink(elsewhere.path(), other / "jobs");
    dirs.move_job("c", 0, 1, "j");
    EXPECT_TRUE(fs::exists(folder));
    EXPECT_TRUE(fs::is_empty(elsewhere.path()));
    fs::remove(other / "jobs");
    dirs.move_job("c", 0, 1, "j");
    EXPECT_FALSE(fs::exists(folder));
    EXPECT_TRUE(fs::is_directory(dirs.job("c", 1, "j")));
}

TEST(WorkDirs, ALinkInPlaceOfAFolderIsNeverEntered) {
    test::TempDir state;
    test::TempDir elsewhere;
    WorkDirs dirs(state.path());
    const fs::path instance = dirs.make_instance("c", 0, ourselves()).value();
    fs::create_directory_symlink(elsewhere.path(), instance / "jobs");
    const auto job = dirs.make_job("c", 0, "j", ourselves());
    ASSERT_FALSE(job.ok());
    EXPECT_EQ(job.error().code, "work_dir");
    EXPECT_THAT(job.error().message, testing::HasSubstr((instance / "jobs").string()));
    EXPECT_TRUE(fs::is_empty(elsewhere.path())) << "something was made behind the link";

    fs::remove(instance / "jobs");
    fs::create_directory(instance / "jobs");
    fs::create_directory_symlink(elsewhere.path(), dirs.job("c", 0, "j"));
    EXPECT_FALSE(dirs.make_job("c", 0, "j", ourselves()).ok());
}

}  // namespace
}  // namespace emprops::process
