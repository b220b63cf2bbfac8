// Files in ComfyUI's own folder: which are taken, and what a copy is.

#include "connectors/comfyui/transfer/nearby.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "connectors/comfyui/text/file_time.h"
#include "tests/support/temp_dir.h"

namespace emprops::comfyui {
namespace {

namespace fs = std::filesystem;
using Copied = NearbyFile::Copied;

struct NearbyTest : testing::Test {
    NearbyTest() { comfy.write_file("output/x/a.png", "bytes"); }

    std::optional<NearbyFile> open(const std::string& subfolder, const std::string& filename,
                                   const std::string& type = "output") const {
        OutputFile file;
        file.subfolder = subfolder;
        file.filename = filename;
        file.type = type;
        return NearbyFile::open(comfy.path().string(), file);
    }
    std::string copied() const {
        std::ifstream stream(copy(), std::ios::binary);
        return {std::istreambuf_iterator<char>(stream), {}};
    }
    std::string copy() const { return (comfy.path() / "copy").string(); }

    test::TempDir comfy;
    const std::function<bool()> never = [] { return false; };
};

TEST_F(NearbyTest, AFileInsideIsOneAndNothingElse) {
    EXPECT_TRUE(open("x", "a.png"));
    EXPECT_TRUE(open("", "x/a.png"));
    EXPECT_TRUE(open("./x/", "a.png"));
    EXPECT_FALSE(open("x", "b.png"));
    EXPECT_FALSE(open("x", "a.png", "temp"));
    EXPECT_FALSE(open("x", "a.png", "input"));
    EXPECT_FALSE(open("", "x"));
    EXPECT_FALSE(open("", ""));
    comfy.write_file("secret", "s");
    EXPECT_FALSE(open("..", "secret"));
    EXPECT_FALSE(open("", (comfy.path() / "secret").string()));
    EXPECT_FALSE(open("x", std::string("a.png\0b", 7)));
    EXPECT_FALSE(NearbyFile::open("", OutputFile{}));
    ASSERT_EQ(::mkfifo((comfy.path() / "output/pipe.png").c_str(), 0600), 0);
    EXPECT_FALSE(open("", "pipe.png"));
}

TEST_F(NearbyTest, NoLinkIsFollowedButThatOfTheFolderItself) {
    fs::create_symlink(comfy.path() / "output/x/a.png", comfy.path() / "output/link.png");
    fs::create_directory_symlink(comfy.path() / "output/x", comfy.path() / "output/y");
    EXPECT_FALSE(open("", "link.png"));
    EXPECT_FALSE(open("y", "a.png"));
    fs::rename(comfy.path() / "output", comfy.path() / "elsewhere");
    fs::create_directory_symlink(comfy.path() / "elsewhere", comfy.path() / "output");
    EXPECT_TRUE(open("x", "a.png"));
}

TEST_F(NearbyTest, ItsTagIsTheOneThatComfyUiGivesIt) {
    const auto file = open("x", "a.png");
    ASSERT_TRUE(file);
    EXPECT_EQ(file->size(), 5u);
    EXPECT_THAT(file->etag(), testing::EndsWith("-5\""));
    EXPECT_EQ(file_time_of(file->etag()), file->written_at_ms());
    EXPECT_EQ(etag_of(0x18ecf2d172927f40, 0x174), "\"18ecf2d172927f40-174\"");
}

TEST_F(NearbyTest, ACopySharesNothingWithTheFile) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{3} << 20}) {
        const std::string bytes(size, 'x');
        comfy.write_file("output/x/a.png", bytes);
        comfy.write_file("copy", "of an earlier try, and longer");
        ASSERT_EQ(open("x", "a.png")->copy_to(copy(), never), Copied::whole);
        EXPECT_EQ(copied(), bytes);
        EXPECT_EQ(fs::hard_link_count(copy()), 1u);
        std::ofstream(comfy.path() / "output/x/a.png", std::ios::in | std::ios::out)
            << "overwritten in place";
        EXPECT_EQ(copied(), bytes);
    }
}

TEST_F(NearbyTest, AChangeMeanwhileIsSeen) {
    const auto changing = [&](const std::function<void()>& change) {
        comfy.write_file("output/x/a.png", "bytes");
        return open("x", "a.png")->copy_to(copy(), [&] {
            change();
            return false;
        });
    };
    const fs::path file = comfy.path() / "output/x/a.png";
    EXPECT_EQ(changing([&] { std::ofstream(file, std::ios::app) << "more"; }), Copied::not_the_same);
    EXPECT_EQ(changing([&] { std::ofstream(file, std::ios::trunc) << "by"; }), Copied::not_the_same);
    EXPECT_EQ(changing([&] { fs::last_write_time(file, fs::file_time_type::clock::now()); }),
              Copied::not_the_same);
    EXPECT_EQ(changing([&] { fs::remove(file); }), Copied::not_the_same) << "its number of names changed";
}

TEST_F(NearbyTest, ACancelAndAPlaceThatCannotBeWrittenAreTold) {
    const auto file = open("x", "a.png");
    EXPECT_EQ(file->copy_to(copy(), [] { return true; }), Copied::cancelled);
    EXPECT_EQ(file->copy_to((comfy.path() / "no such folder/copy").string(), never), Copied::not_written);
}

}  // namespace
}  // namespace emprops::comfyui
