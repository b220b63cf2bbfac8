// Each destination alone: no Delivery, no ComfyUI, no server.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "connectors/comfyui/transfer/destinations/inline.h"
#include "connectors/comfyui/transfer/destinations/reference.h"
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

}  // namespace
}  // namespace emprops::comfyui
