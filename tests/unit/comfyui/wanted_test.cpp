// Where a job's files go: what the worker says, what the settings say, and what a payload may wish.

#include "connectors/comfyui/transfer/wanted.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::comfyui {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Names = std::vector<std::string>;

struct WantedTest : testing::Test {
    WantedTest() {
        offer.stores = {"archive", "results", "mine", "inline", "reference"};
        offer.deliver = {"results", "inline"};
        offer.jobs = {"mine", "gone"};
    }
    Result<Wanted> wanted() { return wanted_of(settings, offer, wishes); }
    std::string refused(const Names& stores) {
        wishes.deliver = stores;
        const auto wanted = this->wanted();
        EXPECT_FALSE(wanted.ok());
        EXPECT_TRUE(wanted.ok() || wanted.error().code == "invalid_payload");
        return wanted.ok() ? "" : wanted.error().message;
    }
    OutputSettings settings;
    FilesOffer offer;
    OutputWishes wishes;
};

TEST_F(WantedTest, FilesGoWhereTheWorkerSaysUnlessTheJobNamesStores) {
    EXPECT_THAT(wanted()->stores, ElementsAre("results", "inline"));
    EXPECT_FALSE(wanted()->named);
    wishes.deliver = {"reference", "mine", "results"};
    EXPECT_THAT(wanted()->stores, ElementsAre("reference", "mine", "results"));
    EXPECT_TRUE(wanted()->named);
    offer.deliver.clear();
    wishes.deliver.reset();
    EXPECT_THAT(wanted()->stores, ElementsAre("inline", "reference"));
}

TEST_F(WantedTest, AJobMayNotNameTheOperatorsOtherStores) {
    EXPECT_THAT(refused({"inline", "archive"}),
                AllOf(HasSubstr("\"archive\", which is not for jobs ([stores.archive] jobs = true)"),
                      HasSubstr("a job may name inline, reference, results, mine")));
    EXPECT_THAT(refused({"gone"}), HasSubstr("no store of this worker"));
    EXPECT_THAT(refused({"s3"}), HasSubstr("no store of this worker"));
    EXPECT_THAT(refused({}), HasSubstr("must not be empty"));
}

TEST_F(WantedTest, AJobCanOnlyLowerWhatMayBeInline) {
    EXPECT_EQ(wanted()->inline_max_bytes, std::nullopt);
    wishes.inline_max_bytes = 5;
    EXPECT_EQ(wanted()->inline_max_bytes, 5u);
    settings.inline_max_bytes = 3;
    EXPECT_EQ(wanted()->inline_max_bytes, 3u);
    wishes.inline_max_bytes = 2;
    EXPECT_EQ(wanted()->inline_max_bytes, 2u);
}

TEST_F(WantedTest, TheJobDecidesAboutPreviewsAndMetadata) {
    settings.temp = true;
    wishes.strip_metadata = true;
    EXPECT_TRUE(wanted()->temp);
    EXPECT_TRUE(wanted()->strip_metadata);
    wishes.temp = false;
    EXPECT_FALSE(wanted()->temp);
}

}  // namespace
}  // namespace emprops::comfyui
