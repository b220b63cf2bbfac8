#include "supervisor/process/complaints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::process {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Complaints, OfAMessageBehindTextNameBoth) {
    const TextBefore before{"loading... ", "result"};
    for (const std::string& text : {before.taken(), before.not_taken(), before.foreign()}) {
        EXPECT_THAT(text, HasSubstr("\"loading... \""));
        EXPECT_THAT(text, HasSubstr("result"));
    }
    const std::string longer(79, 'x');
    const std::string cut = longer + "\u00e9";
    EXPECT_THAT((TextBefore{cut, "ready"}.not_taken()), HasSubstr("\"" + longer + "...\""));
}

TEST(Complaints, OfAnUnknownWordNameTheOneThatWasProbablyMeant) {
    EXPECT_THAT(unknown_type("READY"), HasSubstr("did you mean \"ready\"?"));
    EXPECT_THAT(unknown_type("results"), HasSubstr("did you mean \"result\"?"));
    EXPECT_THAT(unknown_type("telemetry"), HasSubstr("later version"));
    EXPECT_THAT(unknown_feature("pings"), HasSubstr("did you mean \"ping\"?"));
    EXPECT_THAT(unknown_feature("teleport"), Not(HasSubstr("did you mean")));
}

TEST(Complaints, OfAMessageForNoHeldJobNameTheOneThatWasPerhapsMeant) {
    EXPECT_EQ(about_no_held_job("result", true, {"j"}),
              "result for a job that it has already ended; ignored");
    EXPECT_EQ(about_no_held_job("result", false, {}),
              "result for a job that this process does not hold; ignored");
    EXPECT_THAT(
        about_no_held_job("result", false, {"j", "k"}),
        HasSubstr("does not hold (it holds \"j\" and others: `job_id` must come back as it was sent)"));
}

TEST(Complaints, AFractionIsSeenInALineOfProgress) {
    for (const char* line :
         {R"({"type":"progress","job_id":"j","progress":0.5})", R"({"progress": 0.05 , "type":"progress"})",
          R"({"progress":0.999,"details":{"progress":7}})"})
        EXPECT_TRUE(is_fraction(line)) << line;
    for (const char* line :
         {R"({"type":"progress","job_id":"j"})", R"({"type":"progress","progress":0})",
          R"({"type":"progress","progress":0.0})", R"({"type":"progress","progress":1.5})",
          R"({"type":"progress","progress":100})", R"({"type":"progress","message":"0.5"})"})
        EXPECT_FALSE(is_fraction(line)) << line;
}

TEST(Complaints, ALineInWhichAnotherMessageBeginsNamesTheCause) {
    EXPECT_THAT(perhaps_two_writers(R"({"type":"result","job_id":"a","res{"type":"progress","job_id":"b"})"),
                HasSubstr("let one thread write at a time"));
    EXPECT_EQ(perhaps_two_writers(R"({"type":"result","job_id":"a","result":{"type":NaN}})"), "");
}

}  // namespace
}  // namespace emprops::process
