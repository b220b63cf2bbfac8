// How a hub reads what workers and clients say: as laxly as the EmProps Redis Hub, and with its error texts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ipc/hub/codec.h"

namespace emprops::hub {
namespace {

using testing::HasSubstr;

template <class Message>
Message from_worker(const Json& json) {
    static std::string text;  // what is decoded refers to it
    text = json.dump();
    return std::get<Message>(std::get<FromWorker>(decode_from_worker(text)));
}
std::string refusal(std::string_view text) {
    const auto decoded = decode_from_worker(text);
    const auto* refused = std::get_if<Refused>(&decoded);
    return refused ? refused->error : "accepted";
}

TEST(Decode, NumbersAreReadAsLaxlyAsTheHubReadsThem) {
    const auto progress = [](const Json& value) {
        return from_worker<JobProgress>(
                   {{"type", "update_job_progress"}, {"job_id", "j"}, {"progress", value}})
            .progress;
    };
    EXPECT_EQ(progress(5), 5);
    EXPECT_EQ(progress("5"), 5);
    EXPECT_EQ(progress(12.0), 12);
    EXPECT_EQ(progress(-1), -1);
    for (const auto* wrong : {"12.5", "\"x\"", "101", "-2", "null", "{}", "1e300", "18446744073709551615"}) {
        EXPECT_EQ(refusal(std::string(R"({"type":"update_job_progress","progress":)") + wrong + "}"),
                  "Invalid message format")
            << wrong;
    }
}

TEST(Decode, MissingFieldsHaveTheHubsDefaults) {
    EXPECT_EQ(from_worker<WorkerHeartbeat>({{"type", "worker_heartbeat"}}).status, "idle");
    EXPECT_EQ(from_worker<WorkerHeartbeat>({{"type", "worker_heartbeat"}, {"status", nullptr}}).status,
              std::nullopt);
    EXPECT_EQ(from_worker<RegisterWorker>({{"type", "register_worker"}}).status, "idle");
    EXPECT_EQ(from_worker<CompleteJob>({{"type", "complete_job"}}).result, "{}");
    EXPECT_EQ(from_worker<FailJob>({{"type", "fail_job"}, {"error", nullptr}}).error, "Unknown error");
}

TEST(Decode, JobTypesMayBeAListATextOrAListInAText) {
    const auto types = [](const Json& value) {
        return from_worker<RegisterWorker>(
                   {{"type", "register_worker"}, {"capabilities", {{"supported_job_types", value}}}})
            .job_types;
    };
    using List = std::vector<std::string>;
    EXPECT_EQ(types({"a", "b"}), (List{"a", "b"}));
    EXPECT_EQ(types("a"), List{"a"});
    EXPECT_EQ(types("[\"a\",\"b\"]"), (List{"a", "b"}));
    EXPECT_EQ(types({1, "a"}), List{"a"});
    EXPECT_EQ(types(5), List{});
    EXPECT_EQ(types(std::string(100'000, '[')),
              List{std::string(100'000, '[')});  // no parser's stack is spent
}

TEST(Decode, CapabilitiesAreKeptAsTheyStand) {
    const auto read = [](const std::string& capabilities) {
        return decode_from_worker(R"({"type":"register_worker","capabilities":)" + capabilities + "}");
    };
    const auto taken = [&](const std::string& capabilities) {
        return std::get<RegisterWorker>(std::get<FromWorker>(read(capabilities)));
    };
    const std::string whole = R"({ "n":1.10, "supported_job_types":["a"] })";
    EXPECT_EQ(taken(whole).capabilities, whole);
    EXPECT_EQ(taken(whole).job_types, std::vector<std::string>{"a"});
    EXPECT_EQ(taken("null").capabilities, "null");
    for (const std::string wrong : {"[]", "5", "\"x\""})
        EXPECT_TRUE(std::holds_alternative<Refused>(read(wrong))) << wrong;
    EXPECT_TRUE(std::holds_alternative<Refused>(read(R"({"n":")" + std::string(5u << 20, 'x') + "\"}")));
}

TEST(Decode, TheCodeOfAFailureStandsInAFieldOrInBrackets) {
    const auto fail = [](Json more) {
        more["type"] = "fail_job";
        return from_worker<FailJob>(more);
    };
    EXPECT_EQ(fail({{"error", "[drained] bye"}}).error_code, "drained");
    EXPECT_EQ(fail({{"error", "x"}, {"error_code", "drained"}}).error_code, "drained");
    EXPECT_EQ(fail({{"error", "[drained] x"}, {"error_code", 5}}).error_code, "drained");
    EXPECT_EQ(fail({{"error", "[Errno 2] No such file"}}).error_code, "");
    EXPECT_EQ(fail({{"error", "plain"}}).error_code, "");
    EXPECT_TRUE(fail({{"error", "plain"}}).retryable);
    EXPECT_FALSE(fail({{"error", "plain"}, {"retryable", false}}).retryable);
    EXPECT_TRUE(fail({{"error", "plain"}, {"retryable", "maybe"}}).retryable);
}

TEST(Decode, RubbishIsAnsweredWithTheHubsTexts) {
    EXPECT_EQ(refusal("{"), "Invalid JSON format");
    EXPECT_EQ(refusal("\xFF"), "Invalid JSON format");
    EXPECT_THAT(refusal("[1]"), HasSubstr("Server error processing message: "));
    EXPECT_EQ(refusal("{}"), "Invalid message format");
    EXPECT_EQ(refusal(R"({"type":"nonsense"})"), "Invalid message format");
    EXPECT_EQ(refusal(R"({"type":"chunked_message"})"), "Invalid message format");
    EXPECT_EQ(refusal(R"({"type":"cancel_job"})"), "Unsupported message type: cancel_job");
    EXPECT_EQ(refusal(R"({"type":"complete_job","result":[1]})"), "Invalid message format");
    EXPECT_EQ(refusal(std::string(100, '[')), "Invalid JSON format");
}

TEST(Decode, ASubmitWithAWrongPriorityOrPayloadIsRefused) {
    const auto refused = [](std::string_view text) {
        return std::holds_alternative<Refused>(decode_from_client(text));
    };
    EXPECT_TRUE(refused(R"({"type":"submit_job","priority":"high"})"));
    EXPECT_TRUE(refused(R"({"type":"submit_job","payload":[1]})"));
    EXPECT_TRUE(refused(R"({"type":"submit_job","payload":"{}"})"));
    EXPECT_FALSE(refused(R"({"type":"submit_job","priority":"7"})"));
}

TEST(Decode, WhatIsOfNoUseToTheHubIsNoOffence) {
    EXPECT_EQ(from_worker<WorkerHeartbeat>(
                  {{"type", "worker_heartbeat"}, {"worker_id", 5}, {"load", "much"}, {"timestamp", "now"}})
                  .status,
              "idle");
    EXPECT_EQ(refusal(R"({"type":"fail_job","worker_id":5})"), "Invalid message format");
    EXPECT_EQ(from_worker<ClaimJob>({{"type", "claim_job"}, {"job_id", "j"}, {"earlier_worker_ids", 5}})
                  .earlier_worker_ids,
              std::vector<std::string>{});
}

TEST(Encode, LargeValuesAreSplicedAndTextIsEscaped) {
    JobStatus status{"quote \" and \xFF", "completed"};
    status.timestamp = 1.5;
    status.result = "{ \"x\":1.10 }";
    const auto text = encode(status);
    EXPECT_THAT(text, HasSubstr(R"("result":{ "x":1.10 }})"));
    EXPECT_EQ(Json::parse(text)["type"], "response_job_status");
    EXPECT_EQ(Json::parse(text)["job_id"], "quote \" and \xEF\xBF\xBD");
    EXPECT_EQ(with_client_id(R"({"a":1})", "v"), R"({"a":1,"client_id":"v"})");
    EXPECT_TRUE(is_empty_object("{ \n}"));
    EXPECT_FALSE(is_empty_object(R"({"":0})"));
}

}  // namespace
}  // namespace emprops::hub
