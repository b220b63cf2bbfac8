// Whether there is room for another job.

#include "supervisor/worker/disk_watch.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/temp_dir.h"

namespace emprops::test {
namespace {

struct DiskWatchTest : testing::Test {
    std::map<std::filesystem::path, std::optional<std::uint64_t>> free{{"/spool", 1000}, {"/work", 1000}};
    DiskWatch watch{{"/spool", "/work"}, [this](const auto& folder) { return free[folder]; }};

    std::string look() {
        watch.look();
        return watch.problem();
    }
};

TEST_F(DiskWatchTest, EachDiskNeedsTheRoomAndTheSentenceSaysWhichHasNot) {
    watch.set_least(800);
    EXPECT_EQ(look(), "");
    free["/work"] = 799;
    EXPECT_EQ(look(),
              "the disk of /work has 799 B left, and 800 B are wanted before another job makes files "
              "(files.min_free): make room there");
    free["/spool"] = 10;
    EXPECT_NE(look().find("/spool"), std::string::npos);
}

TEST_F(DiskWatchTest, TheProblemEndsWithALittleMoreThanWithWhatItBegan) {
    watch.set_least(800);
    free["/spool"] = 799;
    EXPECT_NE(look(), "");
    free["/spool"] = 899;
    EXPECT_NE(look(), "") << "or it would come and go with every file";
    free["/spool"] = 900;
    EXPECT_EQ(look(), "");
    free["/spool"] = 800;
    EXPECT_EQ(look(), "");
}

TEST_F(DiskWatchTest, NothingIsAskedForByZeroOrKnownOfADiskThatDoesNotAnswer) {
    free["/spool"] = 0;
    EXPECT_EQ(look(), "");
    watch.set_least(1);
    free["/spool"] = std::nullopt;
    EXPECT_EQ(look(), "");
}

TEST(FreeBytes, OfAFolderThatIsNotThereYetIsThatOfTheOneAbove) {
    TempDir dir;
    ASSERT_TRUE(free_bytes(dir.path()));
    EXPECT_GT(*free_bytes(dir / "a" / "b"), 0u);
}

}  // namespace
}  // namespace emprops::test
