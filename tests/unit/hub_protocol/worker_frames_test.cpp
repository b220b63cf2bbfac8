// What a worker says, and what it makes of what the Hub says.

#include "ipc/hub/codec.h"
#include "ipc/hub/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::hub {
namespace {

using Kind = HubError::Kind;

const Stamp stamp{1795438027.25, "w-1"};

TEST(FramesToHub, RegistrationCarriesCapabilitiesAndJobTypes) {
    const Json frame = Json::parse(
        encode(RegisterWorker{stamp, with_job_types(R"({"version":"1"})", {"a", "b"}), {}, "busy"}));
    EXPECT_EQ(frame, Json::parse(R"({"type":"register_worker","timestamp":1795438027.25,"worker_id":"w-1",
        "capabilities":{"version":"1","supported_job_types":["a","b"]},"subscribe_to_jobs":true,"status":"busy"})"));
}

TEST(FramesToHub, JobTypesAreAddedToCapabilitiesWithoutReadingThem) {
    EXPECT_EQ(with_job_types(R"({"n":1.10})", {"a\"b"}), R"({"n":1.10,"supported_job_types":["a\"b"]})");
    EXPECT_EQ(with_job_types("{}", {}), R"({"supported_job_types":[]})");
    EXPECT_EQ(with_job_types("null", {"a"}), R"({"supported_job_types":["a"]})");
    // A connector may have a key of this name: ours counts.
    EXPECT_EQ(Json::parse(with_job_types(R"({"supported_job_types":5})", {"a"})),
              Json({{"supported_job_types", {"a"}}}));
}

TEST(FramesToHub, AHeartbeatWithoutStatusSaysNullBecauseAMissingOneCountsAsIdle) {
    const Json frame = Json::parse(encode(WorkerHeartbeat{stamp, std::nullopt, 0.5}));
    ASSERT_TRUE(frame.contains("status"));
    EXPECT_TRUE(frame["status"].is_null());
    EXPECT_EQ(frame["load"], 0.5);
}

TEST(FramesToHub, ClaimStatusAndServiceMessagesHaveTheHubsFields) {
    EXPECT_EQ(Json::parse(encode(ClaimJob{stamp, "j"})),
              Json::parse(R"({"type":"claim_job","timestamp":1795438027.25,"worker_id":"w-1","job_id":"j",
                              "claim_timeout":30})"));
    EXPECT_EQ(Json::parse(encode(WorkerStatus{stamp, "idle"}))["status"], "idle");
    ipc::Status status;
    status.connected = true;
    status.reason = "loading";
    const Json connector = Json::parse(encode_connector_status(stamp, "comfyui", status));
    EXPECT_EQ(connector["type"], "connector_ws_status");
    EXPECT_EQ(connector["connector_type"], "comfyui");
    EXPECT_EQ(connector["service_name"], "comfyui");
    EXPECT_EQ(connector["details"]["reason"], "loading");
    ipc::ServiceRequest request;
    request.job_id = "j";
    request.content = "no object";
    EXPECT_EQ(Json::parse(encode_service_request(stamp, request))["content"], Json::object());
    EXPECT_EQ(Json::parse(encode(RequestJobStatus{"j"})),
              Json::parse(R"({"type":"request_job_status","job_id":"j"})"));
}

TEST(FramesToHub, ProgressIsAnIntegerInRangeAndAKeepAliveIsMinusOne) {
    ipc::Progress progress;
    progress.job_id = "j";
    progress.progress = 400;
    EXPECT_EQ(Json::parse(encode_progress(stamp, progress))["progress"], 100);
    progress.progress.reset();
    EXPECT_EQ(Json::parse(encode_progress(stamp, progress))["progress"], -1);
    const Json keepalive = Json::parse(encode_keepalive(stamp, "j"));
    EXPECT_EQ(keepalive["progress"], -1);
    EXPECT_EQ(keepalive["status"], "heartbeat");
}

TEST(FramesToHub, AResultIsSplicedByteForByte) {
    const std::string result = R"({"b":1.10,"a":1e5,"s":18446744073709551616,"t":"\u00e9"})";
    const std::string frame = encode(CompleteJob{stamp, "j\"x", result});
    EXPECT_THAT(frame, testing::EndsWith(",\"result\":" + result + "}"));
    EXPECT_EQ(Json::parse(frame)["job_id"], "j\"x");
}

TEST(FramesToHub, ResultsThatTheHubWouldSwallowAreWrapped) {
    for (const char* result : {"{}", "{ }", "null", "[1]", "\"text\"", ""}) {
        const Json frame = Json::parse(encode(CompleteJob{stamp, "j", result}));
        EXPECT_TRUE(frame["result"].is_object() && !frame["result"].empty()) << result;
    }
}

TEST(FramesToHub, AFailureIsShortOneLineOfValidText) {
    ipc::JobError error;
    error.code = "crashed";
    error.message = "line\nline\x01 \xff" + std::string(5000, 'x');
    error.retryable = false;
    const Json frame = Json::parse(encode_fail(stamp, "j", error));
    const std::string text = frame["error"];
    EXPECT_THAT(text, testing::StartsWith("[crashed] line line  "));
    EXPECT_LT(text.size(), 1100u);
    EXPECT_EQ(frame["retryable"], false);
}

TEST(FramesToHub, AFailureTextIsNotCutInsideACharacter) {
    ipc::JobError error;
    error.code = "x";
    for (int i = 0; i < 1000; ++i)
        error.message += "\xC3\xA9";
    EXPECT_FALSE(Json::parse(encode_fail(stamp, "j", error)).contains("begun"));
    EXPECT_EQ(Json::parse(encode_fail(stamp, "j", error, false)).at("begun"), false);
    EXPECT_EQ(encode_fail(stamp, "j", error).find("\xEF\xBF\xBD"), std::string::npos);
}

TEST(FramesFromHub, ParamsComeOutByteForByteAndWithoutLineBreaks) {
    const auto frame = decode_hub_frame(
        "{\"type\": \"job_assigned\", \"job_id\": \"j\", \"job_type\": \"t\", \"priority\": -2,\n"
        " \"params\": {\"b\": 1.10,\n\"s\": 18446744073709551616}}");
    const auto& assignment = std::get<Assignment>(frame);
    EXPECT_EQ(assignment.params->text(), "{\"b\": 1.10, \"s\": 18446744073709551616}");
    EXPECT_EQ(assignment.priority, -2);
}

TEST(FramesFromHub, AJoinedAssignmentTakesItsPayloadAndIsTheSame) {
    const std::string params = "{\"b\": 1.10,\n\"s\": \"" + std::string(1000, 'x') + "\"}";
    std::string joined =
        "{\"type\":\"job_assigned\",\"params\":" + params + ",\n\"job_id\":\"j\",\"priority\":3}";
    const auto whole = std::get<Assignment>(decode_hub_frame(joined));
    const char* const before = joined.data();
    const auto taken = std::get<Assignment>(decode_joined_frame(joined));
    EXPECT_EQ(taken.params->text(), whole.params->text());
    EXPECT_EQ(taken.params->text().data(), before) << "not copied";
    EXPECT_EQ(taken.job_id, "j");
    EXPECT_EQ(taken.priority, 3);
}

TEST(FramesFromHub, MissingParamsAreAnEmptyPayloadAndOtherKindsAreNone) {
    EXPECT_EQ(
        std::get<Assignment>(decode_hub_frame(R"({"type":"job_assigned","job_id":"j"})")).params->text(),
        "{}");
    EXPECT_FALSE(
        std::get<Assignment>(decode_hub_frame(R"({"type":"job_assigned","job_id":"j","params":[1]})"))
            .params);
}

TEST(FramesFromHub, AnOffersPayloadIsNotKept) {
    const auto frame = decode_hub_frame(
        R"({"type":"job_available","job_id":"j","job_type":"t","job_request_payload":{"x":)" +
        std::string(60, '[') + std::string(60, ']') + "}}");
    EXPECT_EQ(std::get<Offer>(frame).job_type, "t");
}

TEST(FramesFromHub, ErrorTextsAreMappedToTheirJob) {
    const auto check = [](const char* text, Kind kind, const char* job) {
        const HubError error = classify_error(text);
        EXPECT_EQ(error.kind, kind) << text;
        EXPECT_EQ(error.job_id, job) << text;
    };
    check("Failed to claim job job-1", Kind::claim_failed, "job-1");
    check("Cannot claim job job-1: Worker w-1 is not idle", Kind::not_idle, "job-1");
    check("Cannot claim job a: Worker b: Worker w-1 is not idle", Kind::not_idle, "a: Worker b");
    check("Failed to mark job job 1 as failed", Kind::fail_refused, "job 1");
    check("Job job-1 not found", Kind::not_found, "job-1");
    check("Authentication failed: Invalid token", Kind::bad_token, "");
    check("Failed to claim job ", Kind::other, "");
    check("Invalid message format", Kind::other, "");
    check("", Kind::other, "");
}

TEST(FramesFromHub, ChunksTakeBothNamesOfTheirContentAndDecodeEscapes) {
    for (const char* name : {"content", "chunk_data"}) {
        const auto frame = decode_hub_frame(
            R"({"type":"chunked_message","chunk_id":1,"total_chunks":3,"message_id":"m","message_hash":"h",)"
            R"("original_type":"job_assigned","job_id":"j",")" +
            std::string(name) + R"(":"a\"\ud83d\ude00"})");
        EXPECT_EQ(std::get<Chunk>(frame).content, "a\"\xF0\x9F\x98\x80");
    }
}

TEST(FramesFromHub, UnknownTypesAreIgnoredAndBrokenOnesAreNamed) {
    EXPECT_FALSE(std::get<Ignored>(decode_hub_frame(R"({"type":"from_the_future"})")).known);
    EXPECT_TRUE(std::get<Ignored>(decode_hub_frame(R"({"type":"worker_heartbeat_ack"})")).known);
    for (const char* text :
         {"", "nonsense", "[]", "{", R"({"type":5})", R"({"job_id":"x"})", R"({"type":"job_available"})",
          R"({"type":"job_available","job_id":7,"job_type":"t"})", R"({"type":"job_assigned"})",
          R"({"type":"job_completed_ack","job_id":null})", R"({"type":"error","error":{}})",
          R"({"type":"chunked_message","chunk_id":-1,"total_chunks":2,"message_id":"m","content":""})",
          R"({"type":"chunked_message","chunk_id":2,"total_chunks":2,"message_id":"m","content":""})",
          R"({"type":"chunked_message","chunk_id":0,"total_chunks":1.5,"message_id":"m","content":""})",
          R"({"type":"chunked_message","chunk_id":0,"total_chunks":1,"message_id":"m","content":{}})"})
        EXPECT_TRUE(std::holds_alternative<BadFrame>(decode_hub_frame(text))) << text;
}

TEST(FramesFromHub, DeepNestingIsRefusedButItsJobIsNamed) {
    const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
    const auto assigned =
        decode_hub_frame(R"({"type":"job_assigned","job_id":"j","params":{"x":)" + deep + "}}");
    ASSERT_TRUE(std::holds_alternative<Assignment>(assigned));
    EXPECT_EQ(std::get<Assignment>(assigned).job_id, "j");
    EXPECT_FALSE(std::get<Assignment>(assigned).params);
    EXPECT_FALSE(std::get<Assignment>(assigned).bad.empty());
    const auto offered =
        decode_hub_frame(R"({"type":"job_available","job_id":"j","job_request_payload":{"x":)" + deep + "}}");
    ASSERT_TRUE(std::holds_alternative<Offer>(offered));
    EXPECT_FALSE(std::get<Offer>(offered).bad.empty());
    const auto other = decode_hub_frame(R"({"type":"worker_registered","x":)" + deep + "}");
    EXPECT_TRUE(std::holds_alternative<BadFrame>(other));
}

TEST(FramesToHub, ASecondClaimNamesTheEarlierIds) {
    EXPECT_EQ(Json::parse(encode(ClaimJob{stamp, "j", {"w-0"}}))["earlier_worker_ids"], Json::array({"w-0"}));
}

}  // namespace
}  // namespace emprops::hub
