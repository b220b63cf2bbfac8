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

}  // namespace
}  // namespace emprops::process
