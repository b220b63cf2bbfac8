#include "tests/support/schema_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace emprops::test {
namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// What is wrong with `value` by a schema given as text.
std::vector<std::string> errors(const std::string& schema, const std::string& value) {
    return SchemaSet({{"s", Json::parse(schema)}}).errors("s", Json::parse(value));
}

TEST(SchemaCheck, UnknownKeywordsAreRefusedWhereverTheyStand) {
    for (const std::string schema :
         {R"({"uniqueItems":true})", R"({"properties":{"a":{"maxLength":1}}})",
          R"({"items":{"uniqueItems":true}})", R"({"oneOf":[{"not":{}}]})",
          R"({"additionalProperties":{"format":"uri"}})", R"({"$ref":"nowhere"})"}) {
        EXPECT_THROW(SchemaSet({{"s", Json::parse(schema)}}), std::runtime_error) << schema;
    }
}

TEST(SchemaCheck, EachKeywordAcceptsAndRefuses) {
    const struct {
        const char* schema;
        const char* good;
        const char* bad;
    } rows[] = {
        {R"({"type":"string"})", R"("x")", "1"},
        {R"({"type":"integer"})", "1.0", "1.5"},
        {R"({"type":"number"})", "1.5", R"("1")"},
        {R"({"type":"boolean"})", "true", "1"},
        {R"({"type":"null"})", "null", "0"},
        {R"({"type":"array"})", "[]", "{}"},
        {R"({"type":["object","null"]})", "null", "[]"},
        {R"({"const":"a"})", R"("a")", R"("b")"},
        {R"({"enum":[1,"a"]})", R"("a")", "2"},
        {R"({"minimum":0})", "0", "-0.5"},
        {R"({"maximum":100})", "100", "101"},
        {R"({"minLength":2})", "\"\xc3\xa9\xc3\xa9\"", "\"\xc3\xa9\""},
        {R"({"required":["a"]})", R"({"a":null})", R"({"b":1})"},
        {R"({"properties":{"a":{"type":"string"}}})", R"({"a":"x","b":1})", R"({"a":1})"},
        {R"({"properties":{"a":{}},"additionalProperties":false})", R"({"a":1})", R"({"b":1})"},
        {R"({"additionalProperties":{"type":"string"}})", R"({"b":"x"})", R"({"b":1})"},
        {R"({"items":{"type":"integer"}})", "[1,2]", R"([1,"2"])"},
        {R"({"anyOf":[{"minimum":5},{"type":"integer"}]})", "3", "3.5"},
        {R"({"oneOf":[{"minimum":5},{"type":"integer"}]})", "5.5", "6"},
    };
    for (const auto& row : rows) {
        EXPECT_THAT(errors(row.schema, row.good), IsEmpty()) << row.schema;
        EXPECT_THAT(errors(row.schema, row.bad), testing::SizeIs(1)) << row.schema;
    }
}

TEST(SchemaCheck, ErrorsNameTheirPlace) {
    EXPECT_THAT(errors(R"({"properties":{"a":{"items":{"type":"string"}}}})", R"({"a":["x",2]})"),
                ElementsAre(HasSubstr("/a/1: must be of type \"string\"")));
}

TEST(SchemaCheck, ReferencesAreFollowedInsideTheSet) {
    const SchemaSet set({{"outer", Json::parse(R"({"properties":{"e":{"$ref":"inner"}}})")},
                         {"inner", Json::parse(R"({"type":"object"})")}});
    EXPECT_THAT(set.errors("outer", Json::parse(R"({"e":{}})")), IsEmpty());
    EXPECT_THAT(set.errors("outer", Json::parse(R"({"e":1})")), ElementsAre(HasSubstr("/e")));
    EXPECT_THROW(set.errors("absent", Json()), std::out_of_range);
}

}  // namespace
}  // namespace emprops::test
