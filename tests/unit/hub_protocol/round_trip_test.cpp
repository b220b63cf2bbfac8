// Both directions of each message agree with each other and with the examples in ipc/hub/PROTOCOL.md.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "ipc/hub/codec.h"
#include "ipc/hub/errors.h"

namespace emprops::hub {
namespace {

const Stamp any_stamp{1795438027.25, "w-1"};

/// The text that a hub would make of what it has read, with the sender's time.
std::string again(const std::string& text) {
    auto decoded = decode_from_worker(text);
    if (const auto* refused = std::get_if<Refused>(&decoded)) return refused->error + refused->details.dump();
    return std::visit(
        [&](auto& message) {
            message.stamp.timestamp = any_stamp.timestamp;
            return encode(message);
        },
        std::get<FromWorker>(decoded));
}

TEST(RoundTrip, AHubReadsWhatAWorkerSays) {
    ipc::Status status;
    status.connected = true;
    status.details = {{"free", 5}};
    for (const std::string& text :
         {encode(
              RegisterWorker{any_stamp, with_job_types(R"({"version":"1"})", {"a", "b"}), {}, "busy", false}),
          encode(WorkerStatus{any_stamp, "idle"}),
          encode(WorkerStatus{any_stamp, "busy", {{"cpu", true}}, {{"comfyui", {{"connected", true}}}}}),
          encode(ClaimJob{any_stamp, "j"}), encode(ClaimJob{any_stamp, "j", {"w-0", "w-00"}}),
          encode(JobProgress{any_stamp, "j", 40, "processing", "Step 2/5", R"({"node":1.10})"}),
          encode_keepalive(any_stamp, "j"),
          encode(CompleteJob{any_stamp, "j", R"({"seed":18446744073709551616})"}),
          encode(CompleteJob{any_stamp, "j", "[1]"}),
          encode_fail(any_stamp, "j", {"crashed", "why", false, nullptr}),
          encode_fail(any_stamp, "j", {"not_started", "why", true, nullptr}, false),
          encode_connector_status(any_stamp, "comfyui", status),
          encode(ServiceRequest{any_stamp, "j", "comfyui", "prompt", R"({"a":1.10})"})})
        EXPECT_EQ(again(text), text);
    const auto beat = decode_from_worker(encode(WorkerHeartbeat{any_stamp, std::nullopt, 0.5}));
    EXPECT_EQ(std::get<WorkerHeartbeat>(std::get<FromWorker>(beat)).status, std::nullopt);
}

TEST(RoundTrip, AHubReadsWhatAClientSays) {
    const std::string submit = encode(SubmitJob{"id", "sim", -3, R"({"b":1.10})"});
    const auto submitted = std::get<SubmitJob>(std::get<FromClient>(decode_from_client(submit)));
    EXPECT_EQ(submitted.job_id, "id");
    EXPECT_EQ(submitted.job_type, "sim");
    EXPECT_EQ(submitted.priority, -3);
    EXPECT_EQ(submitted.payload, R"({"b":1.10})");
    const auto without = encode(SubmitJob{"", "sim"});
    EXPECT_EQ(std::get<SubmitJob>(std::get<FromClient>(decode_from_client(without))).job_id, "");
    const auto asked = std::get<FromClient>(decode_from_client(encode(RequestJobStatus{"j"})));
    EXPECT_EQ(std::get<RequestJobStatus>(asked).job_id, "j");
    const auto cancel = std::get<FromClient>(decode_from_client(encode(CancelJob{"j", "why"})));
    EXPECT_EQ(std::get<CancelJob>(cancel).job_id, "j");
    EXPECT_EQ(std::get<CancelJob>(cancel).reason, "why");
}

TEST(RoundTrip, AWorkerReadsWhatAHubSays) {
    const auto offer = decode_hub_frame(encode_offer(1.5, "j", "sim", 3, R"({"x":1.10})"));
    EXPECT_EQ(std::get<Offer>(offer).job_id, "j");
    EXPECT_EQ(std::get<Offer>(offer).job_type, "sim");
    const auto assigned =
        std::get<Assignment>(decode_hub_frame(encode_assignment(any_stamp, "j", "sim", -3, R"({"x":1.10})")));
    EXPECT_EQ(assigned.job_id, "j");
    EXPECT_EQ(assigned.job_type, "sim");
    EXPECT_EQ(assigned.priority, -3);
    EXPECT_EQ(assigned.params->text(), R"({"x":1.10})");
    EXPECT_EQ(std::get<CompletedAck>(decode_hub_frame(encode(CompletedAck{"j", any_stamp}))).job_id, "j");
    EXPECT_EQ(std::get<FailedAck>(decode_hub_frame(encode(FailedAck{"j", any_stamp, "why"}))).job_id, "j");
    EXPECT_EQ(std::get<CancelJob>(decode_hub_frame(encode(CancelJob{"j", "why", 1.5}))).reason, "why");
    EXPECT_TRUE(std::holds_alternative<Welcome>(decode_hub_frame(encode(Welcome{"hello"}))));
    for (const auto& text : {encode(WorkerRegistered{any_stamp}), encode(NotificationsSubscribed{any_stamp}),
                             encode(HeartbeatAck{any_stamp}), encode(SubscriptionConfirmed{"j"})})
        EXPECT_TRUE(std::get<Ignored>(decode_hub_frame(text)).known) << text;
}

TEST(RoundTrip, AWorkerAndAClientReadTheStateOfAJob) {
    JobStatus status{"j", "completed", "w-1", "done", 100, 1.5, 2.5, R"({"x":1.10})", 3.5};
    const std::string text = encode(status);
    const auto worker = decode_hub_frame(text);
    const auto client = decode_client_frame(text);
    for (const auto& read : {std::get<JobStatus>(worker), std::get<JobStatus>(client)}) {
        EXPECT_EQ(read.job_id, "j");
        EXPECT_EQ(read.status, "completed");
        EXPECT_EQ(read.worker_id, "w-1");
        EXPECT_EQ(read.message, "done");
        EXPECT_EQ(read.result, R"({"x":1.10})");
    }
    EXPECT_EQ(Json::parse(text)["progress"], 100);
    const Json unknown = Json::parse(encode(JobStatus{"j", "pending"}));
    for (const char* key : {"worker_id", "message", "progress", "started_at", "completed_at", "result"})
        EXPECT_TRUE(unknown.at(key).is_null()) << key;
}

TEST(RoundTrip, AClientReadsWhatAHubSays) {
    EXPECT_TRUE(std::holds_alternative<Welcome>(decode_client_frame(encode(Welcome{"hello", 1.5}))));
    const auto accepted = std::get<JobAccepted>(decode_client_frame(encode(JobAccepted{"j", 4, 1.5})));
    EXPECT_EQ(accepted.job_id, "j");
    EXPECT_EQ(accepted.position, 4U);
    const std::string shown = encode(JobProgress{any_stamp, "j", 40, "processing", "Step 2/5"});
    const auto progress = std::get<JobProgress>(decode_client_frame(shown));
    EXPECT_EQ(progress.progress, 40);
    EXPECT_EQ(progress.message, "Step 2/5");
    const std::string result = encode(CompleteJob{any_stamp, "j", R"({"x":1.10})"});
    EXPECT_EQ(std::get<CompleteJob>(decode_client_frame(result)).result, R"({"x":1.10})");
    const auto failed =
        std::get<AttemptFailed>(decode_client_frame(encode(AttemptFailed{any_stamp, "j", "why", true, 4})));
    EXPECT_EQ(failed.job_id, "j");
    EXPECT_EQ(failed.error, "why");
}

TEST(RoundTrip, AClientTakesWhateverAHubSends) {
    const auto progress = [](const char* value) {
        const std::string text =
            std::string(R"({"type":"update_job_progress","job_id":"j","progress":)") + value + "}";
        return std::get<JobProgress>(decode_client_frame(text)).progress;
    };
    EXPECT_EQ(progress("12.7"), 12);
    EXPECT_EQ(progress("\"12\""), -1);
    EXPECT_EQ(progress("1e300"), 1'000'000'000);
    EXPECT_EQ(std::get<HubError>(decode_client_frame(R"({"type":"error","error":{}})")).text, "");
    EXPECT_EQ(std::get<JobStatus>(decode_client_frame(R"({"type":"response_job_status"})")).status, "");
    EXPECT_EQ(std::get<CompleteJob>(decode_client_frame(R"({"type":"complete_job","job_id":5})")).result,
              "{}");
    EXPECT_TRUE(std::holds_alternative<Ignored>(decode_client_frame(R"({"type":"from_the_future"})")));
    EXPECT_TRUE(std::holds_alternative<BadFrame>(decode_client_frame("[]")));
}

TEST(RoundTrip, ErrorTextsAreRecognisedAsTheyAreWritten) {
    using Kind = HubError::Kind;
    const auto check = [](const std::string& text, Kind kind, const char* job) {
        const auto decoded = decode_hub_frame(encode_error(text, 1.5));
        EXPECT_EQ(std::get<HubError>(decoded).kind, kind) << text;
        EXPECT_EQ(std::get<HubError>(decoded).job_id, job) << text;
    };
    check(claim_failed_text("a b"), Kind::claim_failed, "a b");
    check(not_idle_text("a: Worker b", "w-1"), Kind::not_idle, "a: Worker b");
    check(fail_refused_text("a as failed"), Kind::fail_refused, "a as failed");
    check(not_found_text("j"), Kind::not_found, "j");
    check(server_trouble_text("redis is away"), Kind::server_trouble, "");
    check(bad_token_text, Kind::bad_token, "");
    check(unsupported_text("x"), Kind::other, "");
    EXPECT_EQ(encode_error(bad_token_text),
              R"({"type":"error","error":"Authentication failed: Invalid token"})");
}

// ---- the document

/// The JSON examples under a heading of ipc/hub/PROTOCOL.md that begins with `number`, each on one line.
std::vector<std::string> examples(const std::string& number) {
    std::ifstream file(EMPROPS_SOURCE_DIR "/ipc/hub/PROTOCOL.md");
    std::vector<std::string> found;
    std::string line;
    bool here = false;
    bool inside = false;
    while (std::getline(file, line)) {
        if (line.starts_with("#")) here = line.find("# " + number + " ") != std::string::npos;
        if (line.starts_with("```")) {
            inside = line == "```json";
            continue;
        }
        if (!here || !inside) continue;
        if (line.starts_with("{")) {
            found.push_back(line);
        } else if (!found.empty()) {
            found.back() += line;
        }
    }
    return found;
}

TEST(Document, AHubReadsEachExampleOfAWorkersMessageAndWritesItAgain) {
    for (int i = 1; i <= 9; ++i) {
        const auto texts = examples("2.2." + std::to_string(i));
        ASSERT_FALSE(texts.empty()) << i;
        for (const auto& text : texts) {
            const Json example = Json::parse(text);
            const auto decoded = decode_from_worker(text);
            ASSERT_TRUE(std::holds_alternative<FromWorker>(decoded)) << text;
            const Json written = std::visit([](const auto& message) { return Json::parse(encode(message)); },
                                            std::get<FromWorker>(decoded));
            for (const auto& [key, value] : example.items()) {
                if (key == "timestamp" || key == "load") continue;
                EXPECT_EQ(written.value(key, Json()), value) << text;
            }
        }
    }
}

TEST(Document, AWorkerKnowsEachExampleOfTheHubsMessages) {
    for (int i = 1; i <= 9; ++i) {
        const auto texts = examples("2.3." + std::to_string(i));
        ASSERT_FALSE(texts.empty()) << i;
        for (const auto& text : texts) {
            const auto frame = decode_hub_frame(text);
            EXPECT_FALSE(std::holds_alternative<BadFrame>(frame)) << text;
            const auto* ignored = std::get_if<Ignored>(&frame);
            EXPECT_TRUE(ignored == nullptr || ignored->known) << text;
        }
    }
    for (const auto& text : examples("6.1"))
        EXPECT_TRUE(std::holds_alternative<Chunk>(decode_hub_frame(text))) << text;
}

TEST(Document, AHubReadsEachExampleOfAClientAndAMonitor) {
    const auto client = examples("3.1");
    ASSERT_FALSE(client.empty());
    for (const auto& text : client)
        EXPECT_TRUE(std::holds_alternative<FromClient>(decode_from_client(text))) << text;
    const auto told = examples("3.2");
    ASSERT_FALSE(told.empty());
    for (const auto& text : told)
        EXPECT_FALSE(std::holds_alternative<BadFrame>(decode_client_frame(text))) << text;
    const auto rest = examples("3.4");
    ASSERT_FALSE(rest.empty());
    EXPECT_TRUE(std::holds_alternative<RestSubmit>(decode_rest_submit(rest.front())));
}

}  // namespace
}  // namespace emprops::hub
