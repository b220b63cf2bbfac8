// The files of a cgroup v2 hierarchy, played by a plain folder.

#include "supervisor/process/os/cgroup.h"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace emprops::process {
namespace {

TEST(Cgroup, WithoutTheMemoryControllerItSaysSo) {
    test::TempDir folder;
    folder.write_file("cgroup.controllers", "cpu pids\n");
    const auto parent = CgroupParent::open(folder.path());
    ASSERT_FALSE(parent.ok());
    EXPECT_NE(parent.error().message.find("memory controller"), std::string::npos);
}

TEST(Cgroup, OurProcessesMoveAsideAndAChildGetsItsLimit) {
    test::TempDir folder;
    folder.write_file("cgroup.controllers", "cpu memory pids\n");
    folder.write_file("cgroup.procs", "4711\n");
    folder.write_file("cgroup.subtree_control", "");
    folder.write_file("supervisor/cgroup.procs", "");
    folder.write_file("connector-a-0-1/memory.max", "");
    const auto parent = CgroupParent::open(folder.path());
    ASSERT_TRUE(parent.ok()) << parent.error().message;
    EXPECT_EQ(folder.read_file("supervisor/cgroup.procs"), "4711");
    EXPECT_EQ(folder.read_file("cgroup.subtree_control"), "+memory");
    const auto procs = parent->make("connector-a-0-1", 123456);
    ASSERT_TRUE(procs.ok()) << procs.error().message;
    EXPECT_EQ(*procs, folder / "connector-a-0-1/cgroup.procs");
    EXPECT_EQ(folder.read_file("connector-a-0-1/memory.max"), "123456");
}

TEST(Cgroup, AGroupThatCannotBeMadeIsAnError) {
    test::TempDir folder;
    folder.write_file("cgroup.controllers", "memory\n");
    folder.write_file("cgroup.procs", "");
    folder.write_file("cgroup.subtree_control", "");
    const auto parent = CgroupParent::open(folder.path());
    ASSERT_TRUE(parent.ok());
    EXPECT_FALSE(parent->make("a/b", 1).ok());
}

}  // namespace
}  // namespace emprops::process
