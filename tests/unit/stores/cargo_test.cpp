// The file of a result is opened as something that a stranger wrote.

#include "connectors/stores/cargo/open_cargo.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "connectors/stores/cargo/reader.h"
#include "ipc/web/digest.h"
#include "tests/support/temp_dir.h"

namespace emprops::stores {
namespace {

namespace fs = std::filesystem;
using Open = Result<OpenCargo> (*)(const std::string&, const std::string&);

/// By openat2() and without it: the same answers.
struct CargoTest : testing::TestWithParam<Open> {
    Result<OpenCargo> open(const std::string& relative) {
        return GetParam()(spool.path().string(), relative);
    }
    std::string code(const std::string& relative) {
        const auto opened = open(relative);
        return opened.ok() ? "opened" : opened.error().code;
    }
    test::TempDir spool, elsewhere;
};
INSTANTIATE_TEST_SUITE_P(Both, CargoTest, testing::Values(&open_cargo, &open_cargo_by_parts));

TEST_P(CargoTest, ARegularFileInsideIsOpened) {
    spool.write_file("17/files/a b.png", "bytes");
    const auto opened = open("17/files/a b.png");
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    EXPECT_EQ(opened->size(), 5u);
    EXPECT_EQ(*sha256_of(opened->descriptor(), 0, 5, [] { return true; }), sha256_hex("bytes"));
    EXPECT_EQ(code("17/files/none.png"), "not_found");
}

TEST_P(CargoTest, NoPathLeadsOut) {
    elsewhere.write_file("secret", "x");
    for (const std::string& path :
         {(elsewhere / "secret").string(), std::string("../secret"), std::string("a/../../x"),
          std::string(""), std::string("."), std::string("/"), std::string("a//b"), std::string("a\0b", 3)})
        EXPECT_EQ(code(path), "forbidden") << path;
}

TEST_P(CargoTest, NoLinkIsFollowedWhereverItStands) {
    elsewhere.write_file("secret", "x");
    spool.write_file("17/own", "x");
    fs::create_symlink(elsewhere / "secret", spool / "17/link");
    fs::create_symlink("own", spool / "17/near");
    fs::create_directory_symlink(elsewhere.path(), spool / "18");
    fs::create_directory_symlink("17", spool / "19");
    fs::create_symlink("/proc/self/environ", spool / "17/environ");
    for (const char* path : {"17/link", "17/near", "18/secret", "19/own", "17/environ"})
        EXPECT_EQ(code(path), "forbidden") << path;
}

TEST_P(CargoTest, OnlyFilesAreFiles) {
    fs::create_directories(spool / "17");
    ASSERT_EQ(::mkfifo((spool / "17/pipe").c_str(), 0600), 0);
    EXPECT_EQ(code("17"), "forbidden");
    EXPECT_EQ(code("17/pipe"), "forbidden") << "and nobody waits for its writer";
    const auto opened = open("17/pipe");
    EXPECT_THAT(opened.error().message, testing::HasSubstr("no regular file"));
}

TEST_P(CargoTest, SomebodyElsesFileIsNotOpened) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
    spool.write_file("a", "x");
    ASSERT_EQ(::chown((spool / "a").c_str(), 12345, static_cast<gid_t>(-1)), 0);
    EXPECT_EQ(code("a"), "forbidden");
}

TEST_P(CargoTest, AChangeIsSeen) {
    const auto path = spool.write_file("a", "bytes");
    auto opened = open("a");
    ASSERT_TRUE(opened.ok());
    EXPECT_TRUE(opened->is_unchanged());
    std::ofstream(path, std::ios::app) << "more";
    EXPECT_FALSE(opened->is_unchanged());
    opened->renew();
    EXPECT_TRUE(opened->is_unchanged());
    EXPECT_EQ(opened->size(), 9u);
    // Of the same size, with its time set back: the inode knows.
    fs::last_write_time(path, fs::last_write_time(path) - std::chrono::hours(1));
    EXPECT_FALSE(opened->is_unchanged());
}

TEST(Reader, SaysWhatIsMissingAndEndsWhenItIsTold) {
    test::TempDir folder;
    folder.write_file("a", std::string(600'000, 'x'));
    const UniqueFd file(::open((folder / "a").c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(*sha256_of(file.get(), 100, 599'000, [] { return true; }),
              sha256_hex(std::string(599'000, 'x')));
    EXPECT_THAT(sha256_of(file.get(), 0, 600'001, [] { return true; }).error().message,
                testing::HasSubstr("shorter"));
    EXPECT_EQ(sha256_of(file.get(), 0, 600'000, [] { return false; }).error().code, "cancelled");
}

}  // namespace
}  // namespace emprops::stores
