#include "ipc/text/nearest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops {
namespace {

using testing::ElementsAre;

TEST(Nearest, FindsTyposAndPartsAndNothingElse) {
    const std::vector<std::string> words{"euler", "euler_ancestral", "dpmpp_2m", "SDXL/base.safetensors"};
    EXPECT_THAT(text::nearest("eulre", words), ElementsAre("euler"));
    EXPECT_THAT(text::nearest("base.safetensors", words), ElementsAre("SDXL/base.safetensors"));
    EXPECT_TRUE(text::nearest("zzzz", words).empty());
    EXPECT_EQ(text::edit_distance("kitten", "sitting"), 3u);
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
