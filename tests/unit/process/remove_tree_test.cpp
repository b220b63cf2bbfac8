// Removal of folders that a connector has filled, in real folders: depth, rights, links.

#include "supervisor/process/os/remove_tree.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "ipc/unique_fd.h"
#include "tests/support/temp_dir.h"
#include "tests/support/without_privileges.h"

namespace emprops::process {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct RemoveTreeTest : testing::Test {
    RemoveTreeTest() : at(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}
    Result<> remove(const std::string& name) { return remove_tree(at.get(), name); }
    /// `depth` folders, one in the other, with a file in each.
    void make_deep(const std::string& name, int depth) {
        UniqueFd folder(::dup(at.get()));
        for (int level = 0; level < depth; ++level) {
            const char* part = level == 0 ? name.c_str() : "d";
            ASSERT_EQ(::mkdirat(folder.get(), part, 0700), 0);
            folder.reset(::openat(folder.get(), part, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
            ASSERT_TRUE(folder);
            UniqueFd(::openat(folder.get(), "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        }
    }

    test::TempDir dir;
    UniqueFd at;
};

TEST_F(RemoveTreeTest, DescriptorsDoNotGrowWithTheDepth) {
    make_deep("deep", 20'000);
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const UniqueFd highest(::dup(at.get()));
    const rlimit few{static_cast<rlim_t>(highest.get()) + 6, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    const auto gone = remove("deep");
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_TRUE(gone.ok()) << gone.error().message;
    EXPECT_TRUE(fs::is_empty(dir.path()));
}

TEST_F(RemoveTreeTest, ManyBranchesGo) {
    for (int i = 0; i < 20; ++i) {
        for (int j = 0; j < 20; ++j)
            dir.write_file("wide/" + std::to_string(i) + "/" + std::to_string(j) + "/deeper/f", "x");
    }
    dir.write_file("wide/.lifted-1", "a name that the removal would like to use");
    EXPECT_TRUE(remove("wide").ok());
    EXPECT_TRUE(fs::is_empty(dir.path()));
}

TEST_F(RemoveTreeTest, FoldersWithoutRightsAreMadeAccessible) {
    dir.write_file("x/none/deeper/none/f", "x");
    dir.write_file("x/read_only/full/f", "x");
    const test::WithoutPrivileges obeying;
    for (const char* folder : {"x/none/deeper/none", "x/none/deeper", "x/none"})
        fs::permissions(dir / folder, fs::perms::none);
    fs::permissions(dir / "x/read_only/full", fs::perms::owner_read | fs::perms::owner_exec);
    fs::permissions(dir / "x/read_only", fs::perms::owner_read | fs::perms::owner_exec);
    fs::permissions(dir / "x", fs::perms::none);
    const auto gone = remove("x");
    EXPECT_TRUE(gone.ok()) << gone.error().message;
    EXPECT_TRUE(fs::is_empty(dir.path()));
}

TEST_F(RemoveTreeTest, LinksAreRemovedAndNotFollowed) {
    const test::TempDir elsewhere;
    elsewhere.write_file("kept", "x");
    fs::permissions(elsewhere.path(), fs::perms::owner_read | fs::perms::owner_exec);
    fs::create_directories(dir / "x/a/b");
    for (const char* link : {"x/link", "x/a/link", "x/a/b/link"})
        fs::create_directory_symlink(elsewhere.path(), dir / link);
    fs::create_directory_symlink(elsewhere.path(), dir / "only");
    EXPECT_TRUE(remove("x").ok());
    EXPECT_TRUE(remove("only").ok());
    EXPECT_TRUE(fs::is_empty(dir.path()));
    EXPECT_EQ(elsewhere.read_file("kept"), "x");
    EXPECT_EQ(fs::status(elsewhere.path()).permissions(), fs::perms::owner_read | fs::perms::owner_exec);
    EXPECT_FALSE(make_accessible(at.get(), "only"));
    fs::permissions(elsewhere.path(), fs::perms::owner_all);
}

TEST_F(RemoveTreeTest, WhatCannotBeRemovedIsNamedAndTheRestGoes) {
    dir.write_file("x/a/f", "x");
    const test::WithoutPrivileges obeying;
    fs::permissions(dir.path(), fs::perms::owner_read | fs::perms::owner_exec);
    const auto gone = remove("x");
    ASSERT_FALSE(gone.ok());
    EXPECT_EQ(gone.error().code, "remove");
    EXPECT_THAT(gone.error().message, HasSubstr("x: Permission denied"));
    EXPECT_TRUE(fs::is_empty(dir / "x"));
    fs::permissions(dir.path(), fs::perms::owner_all);
}

TEST_F(RemoveTreeTest, WhatIsNotThereIsGone) {
    EXPECT_TRUE(remove("nothing").ok());
    dir.write_file("file", "x");
    EXPECT_TRUE(remove("file").ok());
    EXPECT_TRUE(fs::is_empty(dir.path()));
}

}  // namespace
}  // namespace emprops::process
