#include "supervisor/process/job_types.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::process {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(JobTypes, EachOnceInTheirOrder) {
    std::vector<std::string> types{"b", "a", "b", "c", "a"};
    EXPECT_EQ(tidy_job_types(types), std::nullopt);
    EXPECT_THAT(types, ElementsAre("b", "a", "c"));
}

TEST(JobTypes, TooManyOrTooLongAreRefusedWithASentence) {
    std::vector<std::string> types;
    for (std::size_t i = 0; i < max_job_types; ++i)
        types.push_back("t" + std::to_string(i));
    EXPECT_EQ(tidy_job_types(types), std::nullopt);
    types.push_back("one more");
    EXPECT_EQ(tidy_job_types(types), "it names 10001 job types, and a connector may have 10000");
    types = {std::string(max_job_type_bytes, 'x')};
    EXPECT_EQ(tidy_job_types(types), std::nullopt);
    types = {"ok", std::string(max_job_type_bytes + 1, 'y')};
    EXPECT_THAT(tidy_job_types(types).value_or(""), HasSubstr("has 257 bytes, and one may have 256"));
    EXPECT_EQ(types.size(), 2u) << "as they were";
}

}  // namespace
}  // namespace emprops::process
