// A folder of this machine as a store.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "connectors/stores/kinds/directory.h"
#include "connectors/stores/names/target_names.h"
#include "ipc/unique_fd.h"
#include "ipc/web/digest.h"
#include "tests/support/temp_dir.h"

namespace emprops::stores {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

struct DirectoryTest : testing::Test {
    DirectoryTest() {
        source(folder / "output-0", "bytes");
        cargo.name = "a.png";
        cargo.mime_type = "image/png";
        cargo.values = {{"filename", "a.png"}, {"node", ".."}};
    }
    void source(const fs::path& path, const std::string& content) {
        std::ofstream(path) << content;
        file = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        cargo.descriptor = file.get();
        cargo.size = content.size();
        cargo.sha256 = sha256_hex(content);
        cargo.owner = path.string();
    }
    std::unique_ptr<Store> to(const std::string& key) {
        DirectorySettings settings;
        settings.path = folder.string();
        settings.key = key;
        return make_directory(settings, {"results", "key", "path"}, {http, [] { return false; }, {}});
    }
    Outcome bring(const std::unique_ptr<Store>& store) { return store->bring(cargo); }

    test::TempDir temp;
    const fs::path folder = temp.path();
    HttpClient http;
    UniqueFd file;
    Cargo cargo;
};

TEST_F(DirectoryTest, DirectoryCopiesAndGivesEachFileANameOfItsOwn) {
    const auto store = to("out/{filename}");
    const auto first = std::get<Placed>(bring(store));
    EXPECT_EQ(first.entry["path"], (folder / "out/a.png").string());
    source(folder / "output-1", "other");
    cargo.sha256 = sha256_hex("other");
    EXPECT_EQ(std::get<Placed>(bring(store)).entry["path"], (folder / "out/a-2.png").string());
    EXPECT_EQ(fs::file_size(folder / "out/a-2.png"), 5u);
    EXPECT_FALSE(fs::exists(folder / "out/a.png.part"));
}

TEST_F(DirectoryTest, DirectoryIsNotLeftAndAFolderThatCannotBeMadeIsAFailure) {
    const auto outside = std::get<Setback>(bring(to("../{filename}")));
    EXPECT_EQ(outside.trouble, Trouble::configuration);
    const auto blocked = std::get<Setback>(bring(to("output-0/{filename}")));
    EXPECT_THAT(blocked.message, HasSubstr("cannot copy \"a.png\""));
    EXPECT_FALSE(blocked.passing);
}

TEST_F(DirectoryTest, DirectoryNeverTakesThePlaceOfAnotherFileAndFindsItsOwnAgain) {
    fs::create_directories(folder / "out");
    std::ofstream(folder / "out/a.png") << "somebody else's";
    const auto placed = std::get<Placed>(bring(to("out/{filename}")));
    EXPECT_EQ(placed.entry["path"], (folder / "out/a-2.png").string());
    EXPECT_EQ(fs::file_size(folder / "out/a.png"), 15u);
    // The next attempt of the job brings the same file.
    const auto again = std::get<Placed>(bring(to("out/{filename}")));
    EXPECT_EQ(again.entry["path"], (folder / "out/a-2.png").string());
}

TEST_F(DirectoryTest, AFileThatIsNamedLikeAnUnfinishedOneIsKept) {
    const auto store = to("out/{filename}");
    std::vector<std::string> paths;
    for (const char* name : {"q.png.part", "q.png", "Q.PNG"}) {
        source(folder / ("output of " + std::string(name)), name);
        cargo.size = std::string(name).size();
        cargo.sha256 = sha256_hex(name);
        cargo.values = {{"filename", name}};
        paths.push_back(std::get<Placed>(bring(store)).entry["path"]);
    }
    EXPECT_THAT(paths,
                testing::ElementsAre((folder / "out/q.png.part").string(), (folder / "out/q.png").string(),
                                     (folder / "out/Q-2.PNG").string()));
    for (const std::string& path : paths) {
        EXPECT_TRUE(fs::exists(path)) << path;
    }
    EXPECT_EQ(std::distance(fs::directory_iterator(folder / "out"), fs::directory_iterator()), 3);
}

TEST_F(DirectoryTest, NoNameIsTooLongAndLongOnesStayApart) {
    const auto store = to("{node}/{filename}");
    const std::string stem(300, 'x');
    std::set<std::string> names;
    for (const std::string end : {"1.png", "2.png"}) {
        source(folder / ("output " + end), end);
        cargo.size = end.size();
        cargo.sha256 = sha256_hex(end);
        cargo.values = {{"node", "n" + stem}, {"filename", stem + end}};
        const auto placed = bring(store);
        ASSERT_TRUE(std::holds_alternative<Placed>(placed)) << std::get<Setback>(placed).message;
        names.insert(fs::path(std::get<Placed>(placed).entry["path"].get<std::string>()).filename());
    }
    EXPECT_EQ(names.size(), 2u);
    EXPECT_THAT(*names.begin(), testing::EndsWith(".png"));
}

TEST_F(DirectoryTest, ALinkInsideIsNotFollowed) {
    test::TempDir elsewhere;
    fs::create_directory_symlink(elsewhere.path(), folder / "out");
    const auto blocked = std::get<Setback>(bring(to("out/{filename}")));
    EXPECT_THAT(blocked.message, HasSubstr("links are not followed"));
    EXPECT_FALSE(blocked.passing);
    EXPECT_TRUE(fs::is_empty(elsewhere.path()));
    // A link as the file itself is somebody else's file.
    fs::create_symlink(elsewhere.path() / "x", folder / "a.png");
    EXPECT_EQ(std::get<Placed>(bring(to("{filename}"))).entry["path"], (folder / "a-2.png").string());
    EXPECT_TRUE(fs::is_empty(elsewhere.path()));
}

TEST_F(DirectoryTest, AFileThatBecameShorterLeavesNothing) {
    cargo.size = 50;
    const auto failed = std::get<Setback>(bring(to("out/{filename}")));
    EXPECT_EQ(failed.trouble, Trouble::disk);
    EXPECT_THAT(failed.message, HasSubstr("shorter"));
    EXPECT_TRUE(fs::is_empty(folder / "out"));
}

TEST_F(DirectoryTest, WhatItMadeIsTakenBackAndNothingElse) {
    const auto store = to("out/{filename}");
    bring(store);
    const auto again = to("out/{filename}");
    bring(again);
    again->give_up();
    EXPECT_TRUE(fs::exists(folder / "out/a.png")) << "it only found it";
    store->give_up();
    EXPECT_TRUE(fs::is_empty(folder / "out"));
}

TEST_F(DirectoryTest, AnEmptyFileIsAFile) {
    source(folder / "output-1", "");
    EXPECT_EQ(std::get<Placed>(bring(to("out/{filename}"))).entry["path"], (folder / "out/a.png").string());
    EXPECT_EQ(fs::file_size(folder / "out/a.png"), 0u);
}

}  // namespace
}  // namespace emprops::stores
