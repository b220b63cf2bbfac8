#include "ipc/envelope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace emprops::ipc {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

std::string nested(int levels) {
    return std::string(static_cast<std::size_t>(levels), '[') +
           std::string(static_cast<std::size_t>(levels), ']');
}

TEST(Envelope, OpaqueValueIsReturnedByteForByte) {
    const std::string payload = R"({"b":1.10,"a":1e5,"s":18446744073709551616})";
    const std::string text = R"( { "type" : "job", "payload" : )" + payload + R"( , "job_id":"j" } )";
    const auto outcome = scan_envelope(text, {"payload"});
    ASSERT_TRUE(outcome.envelope) << outcome.error.reason;
    EXPECT_EQ(outcome.envelope->find("payload"), payload);
    EXPECT_EQ(outcome.envelope->fields, json({{"type", "job"}, {"job_id", "j"}}));
    EXPECT_EQ(outcome.envelope->find("result"), std::nullopt);
}

TEST(Envelope, OpaqueRangesAreViewsIntoTheText) {
    const std::string text = R"({"a":[1,2],"b":"x","c":null})";
    const auto outcome = scan_envelope(text, {"a", "b", "c"});
    ASSERT_TRUE(outcome.envelope);
    for (const auto& [name, range] : outcome.envelope->opaque) {
        EXPECT_GE(range.data(), text.data());
        EXPECT_LE(range.data() + range.size(), text.data() + text.size());
    }
    EXPECT_EQ(outcome.envelope->find("a"), "[1,2]");
    EXPECT_EQ(outcome.envelope->find("b"), "\"x\"");
    EXPECT_EQ(outcome.envelope->find("c"), "null");
    EXPECT_THAT(outcome.envelope->fields, IsEmpty());
}

TEST(Envelope, OnlyTopLevelMembersAreOpaque) {
    const auto outcome = scan_envelope(R"({"inner":{"payload":{"x":1}}})", {"payload"});
    ASSERT_TRUE(outcome.envelope);
    EXPECT_THAT(outcome.envelope->opaque, IsEmpty());
    EXPECT_EQ(outcome.envelope->fields["inner"]["payload"]["x"], 1);
}

TEST(Envelope, LastOfDuplicateNamesWins) {
    const auto outcome = scan_envelope(R"({"a":1,"payload":{"n":1},"a":2,"payload":{"n":2}})", {"payload"});
    ASSERT_TRUE(outcome.envelope);
    EXPECT_EQ(outcome.envelope->fields["a"], 2);
    ASSERT_EQ(outcome.envelope->opaque.size(), 1u);
    EXPECT_EQ(outcome.envelope->find("payload"), R"({"n":2})");
}

TEST(MemberText, IsTheLastOneOfThisNameAsItStands) {
    EXPECT_EQ(member_text(R"( {"a" : [1, "x"] , "b":{"a":7}} )", "a"), R"([1, "x"])");
    EXPECT_EQ(member_text(R"({"a":1,"\u0061":2})", "a"), "2");
    EXPECT_EQ(member_text(R"({"b":{"a":1}})", "a"), std::nullopt);
    EXPECT_EQ(member_text("{}", "a"), std::nullopt);
    EXPECT_EQ(member_text("null", "a"), std::nullopt);
}

TEST(Decoded, IsTheValueOrNothingForANumberThatNoDoubleHolds) {
    EXPECT_EQ(ipc::decoded(R"({"a":"\ud800"})"), json({{"a", "\xef\xbf\xbd"}}));
    EXPECT_EQ(ipc::decoded("null"), json());
    EXPECT_EQ(ipc::decoded("[1e999]"), std::nullopt);
}

TEST(Envelope, NamesAreComparedAfterUnescaping) {
    const auto outcome =
        scan_envelope(R"({"\u0070ayload":{"x":1},"\u0074ype":"job","a\/b\n":1})", {"payload"});
    ASSERT_TRUE(outcome.envelope);
    EXPECT_EQ(outcome.envelope->find("payload"), R"({"x":1})");
    EXPECT_EQ(outcome.envelope->fields["type"], "job");
    EXPECT_EQ(outcome.envelope->fields["a/b\n"], 1);
}

TEST(Envelope, LoneSurrogatesAreCarriedInOpaqueValuesAndReplacedInFields) {
    const auto outcome = scan_envelope(
        R"({"payload":{"s":"\ud800"},"a":"x\ud800y","b":"\udc00","c":"\uD83D\uDE00","\udbff":1,"d":"\\ud800","e":"\ud800\ud83d\ude00"})",
        {"payload"});
    ASSERT_TRUE(outcome.envelope) << outcome.error.reason;
    EXPECT_EQ(outcome.envelope->find("payload"), R"({"s":"\ud800"})");
    const json& fields = outcome.envelope->fields;
    EXPECT_EQ(fields["a"], "x\xef\xbf\xbdy");
    EXPECT_EQ(fields["b"], "\xef\xbf\xbd");
    EXPECT_EQ(fields["c"], "\xf0\x9f\x98\x80");
    EXPECT_EQ(fields["\xef\xbf\xbd"], 1);
    EXPECT_EQ(fields["d"], "\\ud800");
    EXPECT_EQ(fields["e"], "\xef\xbf\xbd\xf0\x9f\x98\x80");
    EXPECT_NO_THROW(fields.dump());
}

TEST(Envelope, HugeNumbersInFieldsDoNotCrash) {
    const auto big = scan_envelope(R"({"a":123456789012345678901234567890,"b":18446744073709551615})", {});
    ASSERT_TRUE(big.envelope);
    EXPECT_TRUE(big.envelope->fields["a"].is_number_float());
    EXPECT_EQ(big.envelope->fields["b"], 18446744073709551615u);

    const auto beyond = scan_envelope(R"({"job_id":"j","a":1e999})", {});
    EXPECT_FALSE(beyond.envelope);
    EXPECT_EQ(beyond.error.offset, 18u);
    EXPECT_THAT(beyond.error.reason, HasSubstr("too large"));
    EXPECT_EQ(beyond.error.job_id, "j");

    EXPECT_TRUE(scan_envelope(R"({"payload":{"a":1e999}})", {"payload"}).envelope)
        << "opaque: carried as it came";
}

TEST(Envelope, DepthIsCountedFromTheWholeText) {
    ScanLimits limits;
    limits.max_depth = 4;
    EXPECT_TRUE(scan_envelope(R"({"a":)" + nested(3) + "}", {}, limits).envelope);
    const auto deep = scan_envelope(R"({"job_id":"j","a":)" + nested(4) + "}", {}, limits);
    EXPECT_FALSE(deep.envelope);
    EXPECT_THAT(deep.error.reason, HasSubstr("deeper than 4 levels"));
    EXPECT_THAT(deep.error.reason, HasSubstr("\"a\""));
    EXPECT_EQ(deep.error.offset, 21u);
    EXPECT_EQ(deep.error.job_id, "j");
    EXPECT_FALSE(scan_envelope(R"({"payload":)" + nested(4) + "}", {"payload"}, limits).envelope);
}

TEST(Envelope, HundredThousandBracketsAreRefusedWithoutOverflow) {
    for (const std::string& hostile :
         {nested(100'000), std::string(100'000, '['), std::string(100'000, '{')}) {
        EXPECT_FALSE(scan_envelope(R"({"payload":)" + hostile + "}", {"payload"}).envelope);
        EXPECT_TRUE(check_json(hostile).has_value());
    }
    ScanLimits no_limit;
    no_limit.max_depth = 1'000'000;
    EXPECT_FALSE(check_json(nested(100'000), no_limit).has_value()) << "an explicit stack, no recursion";
}

TEST(Envelope, WhatWasReadBeforeAnErrorIsReported) {
    const auto outcome =
        scan_envelope(R"({"type":"result","job_id":"j-7","result":{"loss":NaN}})", {"result"});
    ASSERT_FALSE(outcome.envelope);
    EXPECT_EQ(outcome.error.type, "result");
    EXPECT_EQ(outcome.error.job_id, "j-7");
    EXPECT_EQ(outcome.error.offset, 49u);
    EXPECT_THAT(outcome.error.reason, HasSubstr("NaN"));
    EXPECT_THAT(outcome.error.reason, HasSubstr("\"result\""));

    const auto early = scan_envelope(R"({"result":NaN,"job_id":"j-7"})", {"result"});
    EXPECT_EQ(early.error.job_id, std::nullopt) << "it stood behind the error";

    const auto odd = scan_envelope(R"({"job_id":7,"type":null,)", {});
    EXPECT_EQ(odd.error.job_id, std::nullopt);
    EXPECT_EQ(odd.error.type, std::nullopt);
}

TEST(Envelope, JobIdIsFoundInTheHeadOfACutOffLine) {
    const std::string line =
        R"({"type":"result","job_id":"j-9","result":{"image":")" + std::string(8000, 'A');
    const auto outcome = scan_envelope(std::string_view(line).substr(0, 4096), {"result"});
    ASSERT_FALSE(outcome.envelope);
    EXPECT_EQ(outcome.error.job_id, "j-9");
    EXPECT_EQ(outcome.error.type, "result");
}

TEST(Envelope, MembersBesideTheOpaqueOnesAreLimitedInSize) {
    ScanLimits limits;
    limits.max_fields_bytes = 100;
    const std::string big = R"({"x":")" + std::string(200, 'x') + "\"}";
    EXPECT_TRUE(scan_envelope(R"({"payload":)" + big + R"(,"job_id":"j"})", {"payload"}, limits).envelope);
    const auto outcome = scan_envelope(R"({"job_id":"j","other":)" + big + "}", {"payload"}, limits);
    ASSERT_FALSE(outcome.envelope);
    EXPECT_EQ(outcome.error.job_id, "j");
    EXPECT_THAT(outcome.error.reason, HasSubstr("100 bytes"));
    EXPECT_FALSE(scan_envelope(R"({"a":1,")" + std::string(200, 'k') + R"(":1})", {}, limits).envelope);
}

TEST(Envelope, AnythingButOneObjectIsRefusedWithItsPlace) {
    EXPECT_EQ(scan_envelope("", {}).error.offset, 0u);
    EXPECT_EQ(scan_envelope("  [1]", {}).error.offset, 2u);
    EXPECT_EQ(scan_envelope("{} {}", {}).error.offset, 3u);
    EXPECT_EQ(scan_envelope(R"({"a":1,})", {}).error.offset, 7u);
    EXPECT_EQ(scan_envelope(R"({"a" 1})", {}).error.offset, 5u);
    EXPECT_EQ(scan_envelope(R"({"a":1 "b":2})", {}).error.offset, 7u);
    EXPECT_EQ(scan_envelope("{", {}).error.offset, 1u);
    EXPECT_TRUE(scan_envelope("{}", {}).envelope);
    EXPECT_TRUE(scan_envelope("\t{ } \r\n", {}).envelope);
}

TEST(Envelope, OnOneLineReplacesRawLineBreaksOnly) {
    const std::string pretty = "{\r\n  \"a\": \"x\\ny\",\n  \"b\": 1.10\n}";
    EXPECT_EQ(on_one_line(pretty), "{    \"a\": \"x\\ny\",   \"b\": 1.10 }");
    EXPECT_EQ(json::parse(on_one_line(pretty)), json::parse(pretty));
}

}  // namespace
}  // namespace emprops::ipc
