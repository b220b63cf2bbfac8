// The parts of a job that need neither ComfyUI nor a supervisor, each made alone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "connectors/comfyui/job/raise.h"
#include "connectors/comfyui/job/report.h"
#include "connectors/comfyui/job/result.h"
#include "connectors/comfyui/job/work_notes.h"
#include "emprops/connector.h"
#include "tests/support/temp_dir.h"

namespace emprops::comfyui {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TimePoint at(int ms) {
    return TimePoint{} + Ms{ms};
}

// ---- WorkNotes

TEST(WorkNotes, TheNextProcessReadsTheSubmissionThatWasNotedLast) {
    const test::TempDir folder;
    WorkNotes first(folder.path().string());
    EXPECT_FALSE(first.begun_before());
    EXPECT_FALSE(first.submission());
    first.note_submission(0);
    first.note_submission(3);
    const WorkNotes second(folder.path().string());
    EXPECT_TRUE(second.begun_before());
    EXPECT_EQ(second.submission(), 3);
}

TEST(WorkNotes, WhatIsNoNumberIsNoNote) {
    const test::TempDir folder;
    folder.write_file("comfyui-submission", "x");
    EXPECT_FALSE(WorkNotes(folder.path().string()).submission());
}

// ---- Report

struct ReportTest : testing::Test {
    Report& report() {
        if (!made) {
            made.emplace(nodes, previews, times,
                         [this](double percent, const std::string& message, const Json& details) {
                             said.push_back({percent, message, details});
                         });
        }
        return *made;
    }
    struct Said {
        double percent;
        std::string message;
        Json details;
    };
    std::vector<Node> nodes{{"1", "KSampler", "KSampler", {}}, {"2", "SaveImage", "SaveImage", {"1"}}};
    PreviewSettings previews;
    TimeBook times;
    std::vector<Said> said;
    std::optional<Report> made;
};

TEST_F(ReportTest, SaysNothingTwiceAndItsNumberNeverGoesBackwards) {
    report().tell(40, "delivering a.png");
    report().tell(10, "delivering b.png");
    EXPECT_EQ(said.at(1).percent, 40);
    report().on_position(2, 5, {}, at(0));
    report().tell("p0", at(0));
    report().tell("p0", at(0));
    ASSERT_THAT(said, SizeIs(3));
    EXPECT_EQ(said.at(2).percent, 40);
    EXPECT_EQ(said.at(2).details["prompt_id"], "p0");
}

TEST_F(ReportTest, AWaitIsToldWithItsReasonAtTheNumberOfBefore) {
    report().waiting("input \"photo\" does not come", Ms{500});
    report().tell(95, "delivering a.png");
    report().waiting("the store is away", Ms{10'000});
    ASSERT_THAT(said, SizeIs(3));
    EXPECT_EQ(said[0].percent, 0);
    EXPECT_EQ(said[0].message, "input \"photo\" does not come; next try in 500 ms");
    EXPECT_EQ(said[2].percent, 95);
    EXPECT_EQ(said[2].message, "the store is away; next try in 10 s");
}

TEST_F(ReportTest, APreviewIsShownOnceAndNotMoreOftenThanIsSet) {
    const Picture picture{"p0", "1", "image/png", "bytes"};
    EXPECT_TRUE(report().preview_of(picture, at(5'000)).is_null());  // not wanted
    previews.enabled = true;
    previews.max_bytes = 4;
    EXPECT_TRUE(report().preview_of(picture, at(5'000)).is_null());  // too large
    previews.max_bytes = 5;
    report().show(report().preview_of(picture, at(5'000)), at(5'000));
    EXPECT_TRUE(report().preview_of(picture, at(5'999)).is_null());
    EXPECT_FALSE(report().preview_of(picture, at(6'000)).is_null());
    report().tell("p0", at(6'000));
    report().tell("p0", at(6'000));
    ASSERT_THAT(said, SizeIs(1));
    EXPECT_EQ(said[0].details["preview"], Json({{"mime_type", "image/png"}, {"data", "Ynl0ZXM="}}));
}

TEST_F(ReportTest, TheTimeLeftIsToldAfterARunOfThisGraphWasLearned) {
    report().learn(Ms{10'000}, 0);
    report().on_event(Started{}, at(0));
    report().tell("p0", at(4'000));
    ASSERT_THAT(said, SizeIs(1));
    EXPECT_NEAR(said[0].details.value("eta_seconds", 0.0), 6, 0.1);
    report().restart();  // another submission has not begun
    report().tell(50, "");
    report().on_position(1, 1, {}, at(5'000));
    report().tell("p1", at(5'000));
    EXPECT_FALSE(said.back().details.contains("eta_seconds"));
}

// ---- the two ends

Json previews_only() {
    return Json::parse(R"({"1":{"images":[{"filename":"a.png","subfolder":"","type":"temp"}]}})");
}

TEST(OutputsToDeliver, PreviewsGoWhereThereIsNothingElseUnlessTheyAreUnwanted) {
    OutputWishes wishes;
    Json notes = Json::array();
    EXPECT_THAT(outputs_to_deliver(previews_only(), {}, wishes, false, notes).files, SizeIs(1));
    EXPECT_THAT(notes.dump(), HasSubstr("preview nodes only"));
    EXPECT_THAT(outputs_to_deliver(previews_only(), {}, wishes, true, notes).files, IsEmpty());
    EXPECT_THAT(notes, SizeIs(1));  // pictures over the WebSocket are something else
    wishes.temp = false;
    EXPECT_THAT(outputs_to_deliver(previews_only(), {}, wishes, false, notes).files, IsEmpty());
    EXPECT_THAT(notes.dump(), HasSubstr("1 previews (type temp) were left out"));
}

TEST(OutputsToDeliver, WhereNothingIsThereANoteSaysWhy) {
    OutputWishes wishes;
    Json notes = Json::array();
    outputs_to_deliver(Json::object(), {}, wishes, false, notes);
    EXPECT_THAT(notes.back().dump(), HasSubstr("put out no file and no text"));
    wishes.nodes = {"9"};
    outputs_to_deliver(previews_only(), {}, wishes, false, notes);
    EXPECT_THAT(notes.back().dump(), HasSubstr("the nodes in outputs.nodes put out nothing; 1 other"));
}

TEST(Raise, WhatTheSupervisorIsToldHasTheClassOfItsCause) {
    const auto details_of = [](const auto& raise_it) {
        try {
            raise_it();
        } catch (const JobFailure& failure) {
            return std::make_pair(failure.details()["class"], failure.retryable());
        }
        return std::make_pair(Json(), false);
    };
    EXPECT_EQ(details_of([] {
                  raise_invalid(Error{"invalid_payload", "m"});
              }),
              std::make_pair(Json("validation"), false));
    EXPECT_EQ(details_of([] { raise(failure_of(Cause::disk, "m")); }), std::make_pair(Json("disk"), true));
    EXPECT_EQ(details_of([] { raise(failure_of(Cause::unreachable, "m")); }),
              std::make_pair(Json("unreachable"), true));
}

}  // namespace
}  // namespace emprops::comfyui
