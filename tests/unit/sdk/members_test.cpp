#include "emprops/members.h"

#include <gmock/gmock.h>

#include <functional>

namespace emprops {
namespace {

const Members members(
    Json::parse(R"({"s":"x","i":3,"whole":4.0,"f":1.5,"b":true,"l":["a",1],"o":{"deep":{"n":"no"}},
    "z":null,"big":18446744073709551615,"int64":9223372036854775807,"huge":1e300})"));

std::string refused(const std::function<void()>& read) {
    try {
        read();
    } catch (const JobFailure& failure) {
        EXPECT_EQ(failure.code(), "invalid_payload");
        EXPECT_FALSE(failure.retryable());
        return failure.what();
    }
    return "it was taken";
}

TEST(Members, ReadsWhatHasTheRightType) {
    EXPECT_EQ(members.string("s"), "x");
    EXPECT_EQ(members.integer("i", {1, 3}), 3);
    EXPECT_EQ(members.integer("whole"), 4);
    EXPECT_EQ(members.integer("int64"), 9223372036854775807);
    EXPECT_EQ(members.number("i"), 3.0);
    EXPECT_TRUE(members.boolean("b"));
    EXPECT_EQ(members.array("l").size(), 2u);
    EXPECT_EQ(members.choice("s", {"a", "x"}), "x");
    EXPECT_EQ(members.object("o").object("deep").string("m", "default"), "default");
}

TEST(Members, WhatIsAbsentOrNullHasTheFallback) {
    EXPECT_FALSE(members.has("z"));
    EXPECT_EQ(members.string("z", "fallback"), "fallback");
    EXPECT_EQ(members.integer("none", 7), 7);
    EXPECT_EQ(members.number("none", 0.5), 0.5);
    EXPECT_FALSE(members.boolean("none", false));
    EXPECT_EQ(members.choice("none", {"a", "b"}), "a");
    EXPECT_FALSE(members.object("none", Json::object()).has("x"));
    EXPECT_FALSE(Members(Json(5)).has("x")) << "and of what is no object all are";
}

TEST(Members, NamesWhatIsWrongAndWhatItMayBe) {
    const std::vector<std::pair<std::string, std::function<void()>>> wrong{
        {R"(the payload must have "z", a text)", [] { members.string("z"); }},
        {R"("f" of the payload must be a whole number, but is 1.5 (a number))", [] { members.integer("f"); }},
        {R"("huge" of the payload must be a whole number, but is 1e+300 (a number))",
         [] { members.integer("huge", 0); }},
        {R"("big" of the payload must be a whole number below 2^63, but is 18446744073709551615 (a number))",
         [] { members.integer("big"); }},
        {R"("i" of the payload must be a whole number from 4 to 8, but is 3 (a number))",
         [] {
             members.integer("i", 4, {4, 8});
         }},
        {R"("s" of the payload must be a number, but is "x" (a text))", [] { members.number("s"); }},
        {R"("s" of the payload must be true or false, but is "x" (a text))",
         [] { members.boolean("s", true); }},
        {R"("s" of the payload must be one of a, b, but is "x" (a text))",
         [] {
             members.choice("s", {"a", "b"});
         }},
        {R"("o" of the payload must be a list, but is an object)", [] { members.array("o"); }},
        {R"("l" of the payload must be an object, but is a list)",
         [] { members.object("l", Json::object()); }},
        {R"("o.deep.n" of the payload must be a whole number, but is "no" (a text))",
         [] { members.object("o").object("deep").integer("n"); }}};
    for (const auto& [message, read] : wrong)
        EXPECT_EQ(refused(read), message);
}

}  // namespace
}  // namespace emprops
