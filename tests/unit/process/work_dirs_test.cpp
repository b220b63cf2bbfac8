// Scratch folders in real folders: whoever owns the upper ones cannot lead us elsewhere with a link.

#include "supervisor/process/work_dirs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/support/temp_dir.h"
#include "tests/support/without_privileges.h"

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

TEST(WorkDirs, AnEndedJobsFolderGoesWhateverTheJobDidToIt) {
    test::TempDir state;
    const test::WithoutPrivileges obeying;
    {
        WorkDirs dirs(state.path());
        const fs::path job = dirs.make_job("c", 0, "j", {}).value();
        fs::create_directories(job / "a" / "b");
        for (const fs::path& folder : {job / "a" / "b", job / "a", job})
            fs::permissions(folder, fs::perms::none);
        dirs.remove_job("c", 0, "j");
        EXPECT_FALSE(fs::exists(job)) << "out of the way at once: the same job may come again";
        EXPECT_TRUE(dirs.make_job("c", 0, "j", {}).ok());
        dirs.remove_job("c", 0, "j");
    }
    EXPECT_TRUE(fs::is_empty(state.path() / "work" / "c-0" / "jobs"));
    for (const auto& each : fs::directory_iterator(state.path() / "work" / "c-0"))
        EXPECT_EQ(each.path().filename(), "jobs") << "was left";
}

TEST(WorkDirs, ALinkInPlaceOfAFolderIsNotEnteredForARemovalEither) {
    test::TempDir state;
    test::TempDir elsewhere;
    {
        WorkDirs dirs(state.path());
        const fs::path job = dirs.make_job("c", 0, "j", {}).value();
        const fs::path jobs = job.parent_path();
        fs::create_directory(elsewhere.path() / job.filename());
        fs::remove_all(jobs);
        fs::create_directory_symlink(elsewhere.path(), jobs);
        dirs.remove_job("c", 0, "j");
        dirs.remove_leftovers("c", 0);
    }
    EXPECT_FALSE(fs::is_empty(elsewhere.path()));
    EXPECT_FALSE(fs::exists(fs::symlink_status(state.path() / "work" / "c-0" / "jobs")))
        << "the link itself goes";
}

TEST(WorkDirs, WhatACleanerRemovedIsMadeAgain) {
    test::TempDir state;
    WorkDirs dirs(state.path());
    EXPECT_TRUE(dirs.missing("c", 0));
    ASSERT_TRUE(dirs.make_instance("c", 0, {}).ok());
    EXPECT_FALSE(dirs.missing("c", 0));
    fs::remove_all(state.path() / "work");
    EXPECT_TRUE(dirs.missing("c", 0));
    EXPECT_TRUE(dirs.make_jobs("c", 0, {}).ok());
    EXPECT_FALSE(dirs.missing("c", 0));
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

TEST(WorkDirs, AFolderThatIsHeldStaysWhoeverCleans) {
    test::TempDir state;
    const fs::path spool = state / "spool" / "7";
    fs::create_directories(spool.parent_path());
    WorkDirs dirs(state.path());
    const fs::path held = dirs.make_job("c", 0, "held", {}).value();
    const fs::path left = dirs.make_job("c", 0, "left", {}).value();
    const fs::path others = dirs.make_job("c", 1, "held", {}).value();
    for (const fs::path& each : {held, left, others})
        std::ofstream(each / "picture.png") << "x";
    const std::string place = WorkDirs::place("c", 0, "held");
    EXPECT_EQ(dirs.root() / place, held);
    dirs.hold(place);
    dirs.remove_job("c", 0, "held");
    dirs.remove_leftovers("c", 0);  // its connector is loaded again
    dirs.remove_leftovers("c", 1);
    EXPECT_TRUE(fs::exists(held / "picture.png"));
    EXPECT_FALSE(fs::exists(left));
    EXPECT_FALSE(fs::exists(others)) << "of another instance";

    ASSERT_TRUE(dirs.take(place, spool));
    EXPECT_TRUE(fs::exists(spool / "picture.png"));
    EXPECT_FALSE(fs::exists(held));
    EXPECT_FALSE(dirs.take(place, spool)) << "once";
    dirs.make_job("c", 0, "held", {}).value();
    dirs.remove_job("c", 0, "held");
    EXPECT_FALSE(fs::exists(held)) << "it is held no more";
}

TEST(WorkDirs, AFolderIsTakenFromWhereItWasAndThroughNoLink) {
    test::TempDir state;
    test::TempDir elsewhere;
    fs::create_directories(elsewhere / "jobs");
    WorkDirs dirs(state.path());
    const fs::path instance = dirs.make_instance("c", 0, {}).value();
    const std::string place = WorkDirs::place("c", 0, "j");
    fs::create_directories(elsewhere.path() / fs::path(place).filename());
    fs::create_directory_symlink(elsewhere.path(), instance / "jobs");
    const auto taken = dirs.take(place, state / "spool");
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, "work_dir");
    EXPECT_NE(taken.error().message.find(place), std::string::npos) << taken.error().message;
    EXPECT_FALSE(fs::exists(state / "spool"));
    fs::remove(instance / "jobs");
    ASSERT_TRUE(dirs.make_job("c", 0, "j", {}));
    fs::create_directories(state / "spool");
    EXPECT_FALSE(dirs.take(place, state / "spool")) << "nothing is replaced";
    fs::remove(state / "spool");
    EXPECT_TRUE(dirs.take(place, state / "spool"));
}

}  // namespace
}  // namespace emprops::process
