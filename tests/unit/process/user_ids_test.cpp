#include "supervisor/process/os/user_ids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::process {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(UserIds, OfANameAreThoseOfTheSystem) {
    const auto root = look_up_user("root");
    ASSERT_TRUE(root);
    EXPECT_EQ(root->uid, 0U);
}

TEST(UserIds, ANumberNeedsNoName) {
    const auto nobody_knows = look_up_user("4000001");
    ASSERT_TRUE(nobody_knows) << nobody_knows.error().message;
    EXPECT_EQ(nobody_knows->uid, 4'000'001U);
    EXPECT_EQ(nobody_knows->gid, 4'000'001U);
    const auto with_group = look_up_user("4000001:4000002");
    ASSERT_TRUE(with_group);
    EXPECT_EQ(with_group->uid, 4'000'001U);
    EXPECT_EQ(with_group->gid, 4'000'002U);
    EXPECT_THAT(with_group->groups, ElementsAre(4'000'002U));
}

TEST(UserIds, WhatIsNeitherSaysHowToWriteANumber) {
    for (const char* name : {"no-such-user", "12x", "1:", ":1", "1:x", "-1", ""}) {
        const auto found = look_up_user(name);
        ASSERT_FALSE(found) << name;
        EXPECT_THAT(found.error().message, HasSubstr("1000:100")) << name;
    }
}

}  // namespace
}  // namespace emprops::process
