#include "ipc/text/nearest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops {
namespace {

using testing::ElementsAre;

TEST(Address, OnlyThePublicNetIsPublic) {
    const auto v4 = [](unsigned a, unsigned b, unsigned c, unsigned d) {
        return is_public_v4((a << 24) | (b << 16) | (c << 8) | d);
    };
    EXPECT_TRUE(v4(8, 8, 8, 8));
    EXPECT_TRUE(v4(172, 32, 0, 1));
    for (const auto& [a, b] : {std::pair{127u, 0u},
                               {10u, 1u},
                               {172u, 16u},
                               {172u, 31u},
                               {192u, 168u},
                               {169u, 254u},
                               {100u, 64u},
                               {0u, 0u},
                               {224u, 0u},
                               {255u, 255u}}) {
        EXPECT_FALSE(v4(a, b, 1, 1)) << a << "." << b;
    }
    EXPECT_TRUE(is_public_v6({0x2a, 0, 0x14, 0x50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
    EXPECT_FALSE(is_public_v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
    EXPECT_FALSE(is_public_v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127, 0, 0, 1}));
    EXPECT_FALSE(is_public_v6({0x20, 0x02, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
    EXPECT_FALSE(is_public_v6({0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
    EXPECT_FALSE(is_public_v6({0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
}

TEST(Nearest, FindsTyposAndPartsAndNothingElse) {
    const std::vector<std::string> words{"euler", "euler_ancestral", "dpmpp_2m", "SDXL/base.safetensors"};
    EXPECT_THAT(text::nearest("eulre", words), ElementsAre("euler"));
    EXPECT_THAT(text::nearest("base.safetensors", words), ElementsAre("SDXL/base.safetensors"));
    EXPECT_TRUE(text::nearest("zzzz", words).empty());
    EXPECT_EQ(text::edit_distance("kitten", "sitting"), 3u);
}

TEST_F(ConfigFile, ASocketPathThatTheSystemCannotHoldIsRefused) {
    toml("worker.state_dir = \"/" + std::string(120, 'x') + "\"\n");
    EXPECT_FALSE(load().ok());
    request.overrides = {"control.enabled=false"};
    EXPECT_TRUE(load().ok());
}

TEST(Nearest, SuggestsOnlyWhatCouldHaveBeenMeant) {
    const std::vector<std::string> words{"hub.url", "hub.token", "hub.token_file"};
    EXPECT_EQ(text::meant("hub.tokne", words), "hub.token");
    EXPECT_EQ(text::meant("hub.ur", words), "hub.url");
    EXPECT_EQ(text::meant("hub.something", words), std::nullopt);
    EXPECT_EQ(text::meant("", words), std::nullopt);
}

}  // namespace
}  // namespace emprops
