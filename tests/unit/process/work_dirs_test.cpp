// Scratch folders in real folders: whoever owns the upper ones cannot lead us elsewhere with a link.

#include "supervisor/process/work_dirs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

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
    for (const fs::path& made : {folder->parent_path(), *folder})
        EXPECT_EQ(fs::status(made).permissions(), fs::perms::owner_all) << made;
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

TEST(WorkDirs, ALinkInPlaceOfAFolderIsNeverEnteredAndMakesWay) {
    test::TempDir state;
    test::TempDir elsewhere;
    WorkDirs dirs(state.path());
    const fs::path instance = dirs.make_instance("c", 0, ourselves()).value();
    fs::create_directory_symlink(elsewhere.path(), instance / "jobs");
    const auto job = dirs.make_job("c", 0, "j", ourselves());
    ASSERT_TRUE(job.ok()) << job.error().message;
    EXPECT_TRUE(fs::is_directory(fs::symlink_status(*job)));
    EXPECT_TRUE(fs::is_directory(fs::symlink_status(instance / "jobs")));
    EXPECT_TRUE(fs::is_empty(elsewhere.path())) << "something was made behind the link";

    fs::remove(*job);
    fs::create_directory_symlink(elsewhere.path() / "nowhere", *job);
    ASSERT_TRUE(dirs.make_job("c", 0, "j", ourselves()).ok());
    EXPECT_TRUE(fs::is_directory(fs::symlink_status(*job)));
    EXPECT_TRUE(fs::is_empty(elsewhere.path()));
}

TEST(WorkDirs, AConnectorThatBreaksItsScratchFolderGetsItsNextJobAFolderAllTheSame) {
    test::TempDir state;
    WorkDirs dirs(state.path());
    const fs::path jobs = dirs.make_instance("c", 0, ourselves()).value() / "jobs";
    std::ofstream(jobs) << "a file";
    EXPECT_TRUE(dirs.make_job("c", 0, "j1", ourselves()).ok());
    fs::remove_all(jobs);
    ASSERT_EQ(::mkfifo(jobs.c_str(), 0600), 0);
    EXPECT_TRUE(dirs.make_job("c", 0, "j2", ourselves()).ok());
    fs::permissions(jobs, fs::perms::none);
    const auto job = dirs.make_job("c", 0, "j3", ourselves());
    EXPECT_TRUE(job.ok()) << job.error().message;
    fs::permissions(*job, fs::perms::none);
    EXPECT_TRUE(dirs.make_job("c", 0, "j3", ourselves()).ok());
}

TEST(WorkDirs, AFolderThatCannotBeMadeIsNamed) {
    test::TempDir state;
    std::ofstream(state.path() / "work") << "in the way, and not a connector's";
    WorkDirs dirs(state.path());
    const auto job = dirs.make_job("c", 0, "j", ourselves());
    ASSERT_FALSE(job.ok());
    EXPECT_EQ(job.error().code, "work_dir");
    EXPECT_THAT(job.error().message, testing::HasSubstr((state.path() / "work").string()));
}

}  // namespace
}  // namespace emprops::process
