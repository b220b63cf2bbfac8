// Copies that may take long are heard of, and end when nobody wants them any more.

#include "connectors/courier/scratch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tests/support/temp_dir.h"

namespace emprops::courier {
namespace {

constexpr std::uint64_t large = 256u << 20;

struct Scratch : testing::Test {
    test::TempDir dir;
    UniqueFd source;

    Scratch() {
        dir.write_file("a", "hello");
        std::filesystem::resize_file(dir / "a", large);
        source = UniqueFd(::open((dir / "a").c_str(), O_RDONLY | O_CLOEXEC));
    }
};

TEST_F(Scratch, ACopyIsWholeAndAsksOnItsWayWhetherToGoOn) {
    int asked = 0;
    const auto copy = copy_nameless(source.get(), large, dir.path().string(), [&] { return ++asked > 0; });
    ASSERT_TRUE(copy.ok()) << copy.error().message;
    struct stat about {};
    ASSERT_EQ(::fstat(copy->get(), &about), 0);
    EXPECT_EQ(static_cast<std::uint64_t>(about.st_size), large);
    char text[5] = {};
    EXPECT_EQ(::pread(copy->get(), text, sizeof text, 0), 5);
    EXPECT_EQ(std::string(text, sizeof text), "hello");
    EXPECT_GE(asked, 8);
}

TEST_F(Scratch, ACopyThatNobodyWantsAnyMoreEnds) {
    int asked = 0;
    const auto copy = copy_nameless(source.get(), large, dir.path().string(), [&] { return ++asked < 3; });
    ASSERT_FALSE(copy.ok());
    EXPECT_EQ(copy.error().code, "cancelled");
    EXPECT_EQ(asked, 3);
}

}  // namespace
}  // namespace emprops::courier
