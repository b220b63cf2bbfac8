#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "ipc/codec.h"

namespace emprops::ipc {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

/// The decoded message of type M; fails the test if the line is something else.
template <class M>
M decoded(std::string_view line) {
    const Decoded outcome = decode_from_connector(line);
    if (const auto* bad = std::get_if<Malformed>(&outcome)) ADD_FAILURE() << line << ": " << bad->reason;
    const auto* message = std::get_if<FromConnector>(&outcome);
    if (message == nullptr || !std::holds_alternative<M>(*message)) {
        ADD_FAILURE() << "another kind of message: " << line;
        return M{};
    }
    return std::get<M>(*message);
}

Malformed malformed(std::string_view line) {
    const Decoded outcome = decode_from_connector(line);
    const auto* bad = std::get_if<Malformed>(&outcome);
    if (bad == nullptr) {
        ADD_FAILURE() << "was accepted: " << line;
        return {};
    }
    return *bad;
}

TEST(DecodeFromConnector, LineWithoutAMessageIsStray) {
    for (const std::string line : {"Loading model...", "[1,2]", "", "\xff\xfe", "   ", "\xef\xbb\xbf"}) {
        const Decoded outcome = decode_from_connector(line);
        ASSERT_TRUE(std::holds_alternative<Stray>(outcome)) << line;
        EXPECT_EQ(std::get<Stray>(outcome).text, line);
    }
    const Decoded big = decode_from_connector(std::string(100'000, 'x'));
    EXPECT_EQ(std::get<Stray>(big).text.size(), 4096u);
}

TEST(DecodeFromConnector, AByteOrderMarkAndWhiteSpaceInFrontAreSkipped) {
    for (const std::string lead : {" ", "\t", " \r\t ", "\xef\xbb\xbf", " \xef\xbb\xbf "})
        EXPECT_EQ(decoded<Pong>(lead + R"({"type":"pong","id":7})").id, 7u) << lead;
    const auto hello = decode_to_connector(
        "\xef\xbb\xbf "
        R"({"type":"ping","id":7})");
    ASSERT_TRUE(hello.ok());
    EXPECT_EQ(std::get<Ping>(**hello).id, 7u) << "in the other direction as well";
}

TEST(DecodeFromConnector, UnknownTypeAndUnknownFieldsAreNoError) {
    EXPECT_EQ(decoded<Unknown>(R"({"type":"telemetry","x":[1]})").type, "telemetry");
    EXPECT_EQ(decoded<Accepted>(R"({"type":"accepted","job_id":"j","since":{"v":9}})").job_id, "j");
}

TEST(DecodeFromConnector, InvalidJsonIsMalformedWithPlaceAndJobId) {
    const auto nan = malformed(R"({"type":"result","job_id":"j","result":{"x":NaN}})");
    EXPECT_THAT(nan.reason, AllOf(HasSubstr("byte 44"), HasSubstr("NaN"), HasSubstr("\"result\"")));
    EXPECT_EQ(nan.job_id, "j");
    EXPECT_THAT(malformed("{\"type\":\"status\",\"reason\":\"\xff\"}").reason, HasSubstr("not UTF-8"));
    EXPECT_THAT(malformed("{'type':'pong'}").reason, HasSubstr("byte 1"));
    EXPECT_THAT(malformed(R"({"type":"progress","job_id":"j","details":)" + std::string(257, '[')).reason,
                HasSubstr("deeper than 257"));
}

TEST(DecodeFromConnector, AResultWithoutItsTypeIsMalformed) {
    EXPECT_THAT(malformed(R"({"job_id":"j","result":{}})").reason, HasSubstr("\"type\""));
    EXPECT_EQ(malformed(R"({"job_id":"j","type":5,"result":{}})").job_id, "j");
}

TEST(DecodeFromConnector, ReadyHasDefaults) {
    const auto ready = decoded<Ready>(R"({"type":"ready","protocol":1})");
    EXPECT_EQ(ready.protocol, 1);
    EXPECT_THAT(ready.job_types, IsEmpty());
    EXPECT_EQ(ready.concurrency, 1);
    EXPECT_EQ(ready.features, Features{});
    EXPECT_EQ(ready.capabilities, Json::object());
}

TEST(DecodeFromConnector, ReadyIsReadInFullAndUnknownFeaturesAreKeptApart) {
    const auto ready = decoded<Ready>(
        R"({"type":"ready","protocol":2,"name":"c","version":"1.2","job_types":["a","b"],"concurrency":3.0,
            "features":["ping","resume","teleport"],"capabilities":{"gpu":true}})");
    EXPECT_EQ(ready.protocol, 2);
    EXPECT_EQ(ready.name, "c");
    EXPECT_EQ(ready.version, "1.2");
    EXPECT_EQ(ready.job_types, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(ready.concurrency, 3);
    EXPECT_EQ(ready.features, (Features{.cancel = false, .ping = true, .status = false, .resume = true}));
    EXPECT_EQ(ready.unknown_features, std::vector<std::string>{"teleport"});
    EXPECT_EQ(ready.capabilities["gpu"], true);
}

TEST(DecodeFromConnector, ProgressIsRoundedAndClamped) {
    const auto percent = [](const std::string& number) {
        return decoded<Progress>(R"({"type":"progress","job_id":"j","progress":)" + number + "}").progress;
    };
    EXPECT_EQ(percent("0"), 0);
    EXPECT_EQ(percent("49.4"), 49);
    EXPECT_EQ(percent("49.5"), 50);
    EXPECT_EQ(percent("99.99"), 100);
    EXPECT_EQ(percent("-1"), 0);
    EXPECT_EQ(percent("250"), 100);
    EXPECT_EQ(percent("1e300"), 100);
    EXPECT_EQ(percent("-1e300"), 0);
    EXPECT_EQ(percent("123456789012345678901234567890"), 100);
    EXPECT_EQ(percent("null"), std::nullopt);
    EXPECT_EQ(decoded<Progress>(R"({"type":"progress","job_id":"j"})").progress, std::nullopt);
}

TEST(DecodeFromConnector, ProgressHasDefaults) {
    const auto progress = decoded<Progress>(R"({"type":"progress","job_id":"j","status":"","message":null})");
    EXPECT_EQ(progress.status, "processing");
    EXPECT_EQ(progress.message, "");
    EXPECT_TRUE(progress.details.is_null());
    EXPECT_EQ(decoded<Progress>(R"({"type":"progress","job_id":"j","details":{"node":"4"}})").details["node"],
              "4");
}

TEST(DecodeFromConnector, ResultIsCarriedByteForByte) {
    const std::string body =
        R"({"b":1.10,"a":1e5,"s":18446744073709551616,"u":"\ud800\u0041","d":{"x":1,"x":2}})";
    const auto message = decoded<JobResult>(R"({"type":"result","result": )" + body + R"( ,"job_id":"j"})");
    EXPECT_EQ(message.job_id, "j");
    EXPECT_EQ(message.result.text(), body);
}

TEST(DecodeFromConnector, ResultMustBeAnObject) {
    for (const std::string value : {"[1]", "\"x\"", "null", "1", "true"}) {
        const auto bad = malformed(R"({"type":"result","job_id":"j-1","result":)" + value + "}");
        EXPECT_THAT(bad.reason, AllOf(HasSubstr("\"result\""), HasSubstr("object")));
        EXPECT_EQ(bad.job_id, "j-1");
    }
    const auto missing = malformed(R"({"type":"result","job_id":"j-1"})");
    EXPECT_THAT(missing.reason, HasSubstr("\"result\" is missing"));
    EXPECT_EQ(missing.job_id, "j-1");
}

TEST(DecodeFromConnector, FailedReadsTheErrorObject) {
    const auto failed = decoded<Failed>(
        R"({"type":"failed","job_id":"j","error":{"code":"out_of_memory","message":"no VRAM","retryable":false,"details":{"free":1}}})");
    EXPECT_EQ(failed.job_id, "j");
    EXPECT_EQ(failed.error.code, "out_of_memory");
    EXPECT_EQ(failed.error.message, "no VRAM");
    EXPECT_FALSE(failed.error.retryable);
    EXPECT_EQ(failed.error.details["free"], 1);

    const auto bare = decoded<Failed>(R"({"type":"failed","job_id":"j","error":{}})").error;
    EXPECT_EQ(bare.code, code::internal);
    EXPECT_THAT(bare.message, HasSubstr("no reason"));
    EXPECT_TRUE(bare.retryable);
    EXPECT_TRUE(bare.details.is_null());
    EXPECT_FALSE(
        decoded<InitFailed>(R"({"type":"init_failed","error":{"retryable":false}})").error.retryable);
}

TEST(DecodeFromConnector, StatusIsAvailableWhenConnectedUnlessItSaysOtherwise) {
    EXPECT_TRUE(decoded<Status>(R"({"type":"status","connected":true})").available);
    EXPECT_FALSE(decoded<Status>(R"({"type":"status","connected":false})").available);
    EXPECT_FALSE(decoded<Status>(R"({"type":"status","connected":true,"available":false})").available);
    EXPECT_TRUE(decoded<Status>(R"({"type":"status","connected":false,"available":true})").available);
}

TEST(DecodeFromConnector, LogLevelsOfOtherLoggersAreMapped) {
    const auto level = [](const std::string& name) {
        return decoded<LogLine>(R"({"type":"log","message":"m","level":")" + name + "\"}").level;
    };
    EXPECT_EQ(level("trace"), "trace");
    EXPECT_EQ(level("warning"), "warn");
    EXPECT_EQ(level("critical"), "error");
    EXPECT_EQ(level("chatty"), "info");
    EXPECT_EQ(decoded<LogLine>(R"({"type":"log","message":"m"})").level, "info");
}

TEST(DecodeFromConnector, CapabilitiesReplaceOnlyWhatTheyName) {
    const auto types = decoded<Capabilities>(R"({"type":"capabilities","job_types":[]})");
    EXPECT_THAT(types.job_types, testing::Optional(IsEmpty()));
    EXPECT_EQ(types.concurrency, std::nullopt);
    EXPECT_EQ(types.capabilities, std::nullopt);
    EXPECT_EQ(decoded<Capabilities>(R"({"type":"capabilities","concurrency":4})").concurrency, 4);
}

TEST(DecodeFromConnector, SmallMessagesAreRead) {
    EXPECT_EQ(decoded<Pong>(R"({"type":"pong","id":18446744073709551615})").id, 18446744073709551615u);
    EXPECT_EQ(decoded<RestartService>(R"({"type":"restart_service","reason":"stuck"})").reason, "stuck");
    const auto request = decoded<ServiceRequest>(
        R"({"type":"service_request","job_id":"j","service":"comfyui","request_type":"prompt","content":{"a":1}})");
    EXPECT_EQ(request.job_id, "j");
    EXPECT_EQ(request.service, "comfyui");
    EXPECT_EQ(request.request_type, "prompt");
    EXPECT_EQ(request.content["a"], 1);
}

TEST(DecodeFromConnector, WrongFieldIsNamedTogetherWithItsJob) {
    const struct {
        const char* line;
        const char* field;
    } rows[] = {
        {R"({"type":"ready"})", "\"protocol\""},
        {R"({"type":"ready","protocol":"1"})", "\"protocol\""},
        {R"({"type":"ready","protocol":1.5})", "\"protocol\""},
        {R"({"type":"ready","protocol":1,"job_types":"a"})", "\"job_types\""},
        {R"({"type":"ready","protocol":1,"job_types":[""]})", "\"job_types\""},
        {R"({"type":"ready","protocol":1,"job_types":[1]})", "\"job_types\""},
        {R"({"type":"ready","protocol":1,"concurrency":0})", "\"concurrency\""},
        {R"({"type":"ready","protocol":1,"concurrency":1e18})", "\"concurrency\""},
        {R"({"type":"ready","protocol":1,"concurrency":18446744073709551615})", "\"concurrency\""},
        {R"({"type":"ready","protocol":1,"capabilities":[]})", "\"capabilities\""},
        {R"({"type":"ready","protocol":1,"features":{"ping":true}})", "\"features\""},
        {R"({"type":"init_failed"})", "\"error\""},
        {R"({"type":"result","result":{}})", "\"job_id\""},
        {R"({"type":"failed","job_id":7,"error":{}})", "\"job_id\""},
        {R"({"type":"progress","job_id":"j","progress":"50"})", "\"progress\""},
        {R"({"type":"progress","job_id":"j","progress":true})", "\"progress\""},
        {R"({"type":"progress","job_id":"j","message":{}})", "\"message\""},
        {R"({"type":"progress","job_id":"j","details":"x"})", "\"details\""},
        {R"({"type":"failed","job_id":"j"})", "\"error\""},
        {R"({"type":"failed","job_id":"j","error":"broken"})", "\"error\""},
        {R"({"type":"failed","job_id":"j","error":{"code":5}})", "\"code\""},
        {R"({"type":"failed","job_id":"j","error":{"retryable":"no"}})", "\"retryable\""},
        {R"({"type":"status"})", "\"connected\""},
        {R"({"type":"status","connected":"yes"})", "\"connected\""},
        {R"({"type":"status","connected":true,"available":1})", "\"available\""},
        {R"({"type":"service_request","job_id":"j","content":"x"})", "\"content\""},
        {R"({"type":"capabilities","job_types":{}})", "\"job_types\""},
        {R"({"type":"capabilities","concurrency":-1})", "\"concurrency\""},
        {R"({"type":"pong"})", "\"id\""},
        {R"({"type":"pong","id":-1})", "\"id\""},
        {R"({"type":"pong","id":1.5})", "\"id\""},
    };
    for (const auto& row : rows) {
        const auto bad = malformed(row.line);
        EXPECT_THAT(bad.reason, HasSubstr(row.field)) << row.line;
        const bool names_job = std::string_view(row.line).find(R"("job_id":"j")") != std::string_view::npos;
        EXPECT_EQ(bad.job_id == "j", names_job) << row.line;
    }
}

TEST(DecodeFromConnector, WhatNamesNoJobAndEndsNoneIsStrayAndSaysWhyItIsNoMessage) {
    const std::pair<const char*, const char*> rows[] = {
        {R"({"type":"accepted"})", "\"job_id\""},
        {R"({"type":"accepted","job_id":""})", "\"job_id\""},
        {R"({"type":"progress","value":3})", "\"job_id\""},
        {R"({"type":"log"})", "\"message\""},
        {R"({"type":"log","job_id":"j","message":5})", "\"message\""},
    };
    for (const auto& [line, field] : rows) {
        const Decoded outcome = decode_from_connector(line);
        ASSERT_TRUE(std::holds_alternative<Stray>(outcome)) << line;
        EXPECT_THAT(std::get<Stray>(outcome).hint, HasSubstr(field)) << line;
    }
}

TEST(DecodeFromConnector, LimitsAreThoseOfTheCaller) {
    ScanLimits limits;
    limits.max_depth = 2;
    const Decoded outcome =
        decode_from_connector(R"({"type":"status","connected":true,"details":{"a":[1]}})", limits);
    EXPECT_TRUE(std::holds_alternative<Malformed>(outcome));
}

}  // namespace
}  // namespace emprops::ipc
