// Each destination alone: no Delivery, no ComfyUI, no server.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "connectors/comfyui/transfer/destinations/directory.h"
#include "connectors/comfyui/transfer/destinations/inline.h"
#include "connectors/comfyui/transfer/destinations/reference.h"
#include "connectors/comfyui/transfer/destinations/target_names.h"
#include "ipc/web/digest.h"

namespace emprops::comfyui {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

struct DestinationTest : testing::Test {
    DestinationTest() {
        std::string pattern = (fs::temp_directory_path() / "emprops-destinations-XXXXXX").string();
        folder = ::mkdtemp(pattern.data());
        cargo.path = folder / "output-0";
        std::ofstream(cargo.path) << "bytes";
        cargo.file.filename = "a.png";
        cargo.size = 5;
        cargo.sha256 = sha256_hex("bytes");
        cargo.in_comfyui = true;
        cargo.values = {{"filename", "a.png"}, {"node", ".."}};
    }
    ~DestinationTest() override { fs::remove_all(folder); }

    fs::path folder;
    Cargo cargo;
};

TEST_F(DestinationTest, InlineTakesFilesUntilTheBudgetOfTheJobIsSpent) {
    const Destination destination = make_inline(12, 1);
    EXPECT_EQ(std::get<Placed>(destination(cargo)).entry, Json({{"data", "Ynl0ZXM="}}));
    destination(cargo);
    const auto third = std::get<Spilled>(destination(cargo));
    EXPECT_THAT(third.why,
                HasSubstr("of inline_max_bytes (12 B, for all files and texts of a job together) 11 B"));
    EXPECT_THAT(third.cure, HasSubstr("raise inline_max_bytes"));
    cargo.size = 1;
    EXPECT_TRUE(std::holds_alternative<Placed>(destination(cargo)));
}

TEST_F(DestinationTest, InlineFailsWhereTheFileIsGone) {
    fs::remove(cargo.path);
    EXPECT_EQ(std::get<Setback>(make_inline(100, 0)(cargo)).failure.details["class"], "disk");
}

struct ReferenceTest : DestinationTest {
    Placement place() {
        return make_reference(settings, rules,
                              [](const OutputFile& file) { return "link/" + file.filename; })(cargo);
    }
    Settings settings;
    OutputSettings rules;
};

TEST_F(ReferenceTest, ALinkThatOnlyThisMachineOpensIsNoneWhereTheHubIsElsewhere) {
    settings.server.host = "127.0.0.1";
    settings.client_is_here = false;
    const auto spilled = std::get<Spilled>(place());
    EXPECT_THAT(spilled.why, HasSubstr("on this machine only, and the Hub is elsewhere"));
    EXPECT_THAT(spilled.cure, HasSubstr("reference_base_url"));
    settings.client_is_here = true;
    const auto placed = std::get<Placed>(place());
    EXPECT_EQ(placed.entry, Json({{"url", "link/a.png"}}));
    EXPECT_THAT(placed.local_only, HasSubstr("on this machine only"));
    settings.client_is_here = false;
    rules.reference_base_url = "https://example.org";
    EXPECT_EQ(std::get<Placed>(place()).local_only, "");
}

TEST_F(ReferenceTest, ThereIsNoLinkToWhatComfyuiDoesNotHaveOrHasWithMetadata) {
    rules.reference_base_url = "https://example.org";
    cargo.in_comfyui = false;
    EXPECT_EQ(std::get<Spilled>(place()).why, "it is not stored in ComfyUI");
    cargo.in_comfyui = true;
    rules.strip_metadata = true;
    EXPECT_THAT(std::get<Spilled>(place()).why, HasSubstr("strip_metadata"));
}

TEST_F(DestinationTest, DirectoryCopiesAndGivesEachFileANameOfItsOwn) {
    const Destination destination = make_directory(folder.string(), "out/{filename}");
    const auto first = std::get<Placed>(destination(cargo));
    EXPECT_EQ(first.entry["path"], (folder / "out/a.png").string());
    cargo.path = folder / "output-1";
    std::ofstream(cargo.path) << "other";
    cargo.sha256 = sha256_hex("other");
    EXPECT_EQ(std::get<Placed>(destination(cargo)).entry["path"], (folder / "out/a-2.png").string());
    EXPECT_EQ(fs::file_size(folder / "out/a-2.png"), 5u);
    EXPECT_FALSE(fs::exists(folder / "out/a.png.part"));
}

TEST_F(DestinationTest, DirectoryIsNotLeftAndAFolderThatCannotBeMadeIsAFailure) {
    const auto outside = std::get<Setback>(make_directory(folder.string(), "../{filename}")(cargo));
    EXPECT_EQ(outside.failure.details["class"], "configuration");
    const auto blocked = std::get<Setback>(make_directory(folder.string(), "output-0/{filename}")(cargo));
    EXPECT_EQ(blocked.failure.code, "comfyui.delivery_failed");
    EXPECT_THAT(blocked.failure.message, HasSubstr("cannot copy \"a.png\""));
    EXPECT_FALSE(blocked.passing);
}

TEST_F(DestinationTest, DirectoryNeverTakesThePlaceOfAnotherFileAndFindsItsOwnAgain) {
    fs::create_directories(folder / "out");
    std::ofstream(folder / "out/a.png") << "somebody else's";
    const auto placed = std::get<Placed>(make_directory(folder.string(), "out/{filename}")(cargo));
    EXPECT_EQ(placed.entry["path"], (folder / "out/a-2.png").string());
    EXPECT_EQ(fs::file_size(folder / "out/a.png"), 15u);
    // The next attempt of the job brings the same file.
    const auto again = std::get<Placed>(make_directory(folder.string(), "out/{filename}")(cargo));
    EXPECT_EQ(again.entry["path"], (folder / "out/a-2.png").string());
}

TEST_F(DestinationTest, AFileThatIsNamedLikeAnUnfinishedOneIsKept) {
    const Destination destination = make_directory(folder.string(), "out/{filename}");
    std::vector<std::string> paths;
    for (const char* name : {"q.png.part", "q.png", "Q.PNG"}) {
        cargo.path = folder / ("output of " + std::string(name));
        std::ofstream(cargo.path) << name;
        cargo.size = std::string(name).size();
        cargo.sha256 = sha256_hex(name);
        cargo.values = {{"filename", name}};
        paths.push_back(std::get<Placed>(destination(cargo)).entry["path"]);
    }
    EXPECT_THAT(paths,
                testing::ElementsAre((folder / "out/q.png.part").string(), (folder / "out/q.png").string(),
                                     (folder / "out/Q-2.PNG").string()));
    for (const std::string& path : paths) {
        EXPECT_TRUE(fs::exists(path)) << path;
    }
    EXPECT_EQ(std::distance(fs::directory_iterator(folder / "out"), fs::directory_iterator()), 3);
}

TEST_F(DestinationTest, NoNameIsTooLongAndLongOnesStayApart) {
    const Destination destination = make_directory(folder.string(), "{node}/{filename}");
    const std::string stem(300, 'x');
    std::set<std::string> names;
    for (const std::string end : {"1.png", "2.png"}) {
        cargo.path = folder / ("output " + end);
        std::ofstream(cargo.path) << end;
        cargo.size = end.size();
        cargo.sha256 = sha256_hex(end);
        cargo.values = {{"node", "n" + stem}, {"filename", stem + end}};
        const auto placed = destination(cargo);
        ASSERT_TRUE(std::holds_alternative<Placed>(placed)) << std::get<Setback>(placed).failure.message;
        names.insert(fs::path(std::get<Placed>(placed).entry["path"].get<std::string>()).filename());
    }
    EXPECT_EQ(names.size(), 2u);
    EXPECT_THAT(*names.begin(), testing::EndsWith(".png"));
}

TEST(TargetNames, AreCutBetweenCharactersAndKeepTheirEndings) {
    EXPECT_EQ(fitted_name("a.png"), "a.png");
    const std::string cut = fitted_name(
        std::string(99, 'x') + "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4.jpeg", 114);
    EXPECT_EQ(cut.substr(0, 99), std::string(99, 'x'));
    EXPECT_EQ(cut.size(), 99u + 9 + 5) << cut;
    EXPECT_NE(fitted_name(std::string(300, 'x') + "a"), fitted_name(std::string(300, 'x') + "b"));
    std::string deep;
    for (int i = 0; i < 20; ++i)
        deep += std::string(100, static_cast<char>('a' + i)) + "/";
    EXPECT_LE(fitted_path(deep + "f.png").size(), 1000u);
    EXPECT_EQ(fitted_path("j/n/f.png"), "j/n/f.png");
}

TEST(TargetNames, AFileKeepsItsNameAndNoOtherGetsItInAnyLetterCase) {
    TargetNames names;
    EXPECT_EQ(names.give("1", "j/x.png"), "j/x.png");
    EXPECT_EQ(names.give("1", "j/x.png"), "j/x.png");
    EXPECT_EQ(names.give("2", "j/X.png"), "j/X-2.png");
    const auto not_the_first = [](const std::string& name) { return name != "j/y.png"; };
    EXPECT_EQ(names.give("3", "j/y.png", not_the_first), "j/y-2.png");
}

}  // namespace
}  // namespace emprops::comfyui
