// The small pure parts: chunks, fields and messages, paths and origins, the queue, the store.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ipc/web/digest.h"
#include "supervisor/local_hub/chunking.h"
#include "supervisor/local_hub/gate.h"
#include "supervisor/local_hub/messages.h"
#include "supervisor/local_hub/store.h"

namespace emprops::local_hub {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Chunking, AMessageAtTheLimitIsOneFrame) {
    EXPECT_EQ(to_frames("12345", "job_available", "j", 5), std::vector<std::string>{"12345"});
    EXPECT_EQ(to_frames("\xC3\xA4\xC3\xA4", "t", "j", 2).size(), 1U);  // characters count, not bytes
}

TEST(Chunking, PiecesJoinToTheMessageAndNoCharacterIsSplit) {
    const std::string text =
        "\"a\\\xF0\x9F\x98\x80\xC3\xA4\xE2\x82\xAC"
        "b\"";
    const auto frames = to_frames(text, "job_assigned", "j", 2);
    ASSERT_EQ(frames.size(), 4U);
    std::string joined;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const auto chunk = Json::parse(frames[i]);  // throws on a split character
        EXPECT_EQ(chunk["type"], "chunked_message");
        EXPECT_EQ(chunk["chunk_id"], i);
        EXPECT_EQ(chunk["total_chunks"], 4);
        EXPECT_EQ(chunk["original_type"], "job_assigned");
        EXPECT_EQ(chunk["job_id"], "j");
        EXPECT_EQ(chunk["message_hash"], md5_hex(text));
        EXPECT_TRUE(chunk["message_id"].get<std::string>().starts_with(md5_hex(text).substr(0, 8) + "-"));
        joined += chunk["content"].get<std::string>();
    }
    EXPECT_EQ(joined, text);
}

template <class Message>
Message from_worker(const Json& json) {
    return std::get<Message>(std::get<FromWorker>(decode_from_worker(json.dump())));
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

TEST(Encode, LargeValuesAreSplicedAndTextIsEscaped) {
    const auto text = message_text("t", 1.5, Json{{"a", "quote \" and \xFF"}}, "raw", "{ \"x\":1.10 }");
    EXPECT_THAT(text, HasSubstr(R"("raw":{ "x":1.10 }})"));
    EXPECT_EQ(Json::parse(text)["type"], "t");
    EXPECT_EQ(with_member("{}", "k", 1), R"({"k":1})");
    EXPECT_EQ(with_member(R"({"a":1})", "k", "v"), R"({"a":1,"k":"v"})");
    EXPECT_TRUE(is_empty_object("{ \n}"));
    EXPECT_FALSE(is_empty_object(R"({"":0})"));
}

TEST(Gate, TargetsAreSplitAndDecoded) {
    const auto target = web::RequestTarget::parse("/ws/worker/a%20b?token=x%26y+z&empty");
    EXPECT_EQ(target.segments, (std::vector<std::string>{"ws", "worker", "a b"}));
    EXPECT_EQ(target.query.at("token"), "x&y z");
    EXPECT_TRUE(web::RequestTarget::parse("/").segments.empty());
    EXPECT_EQ(web::RequestTarget::parse("/a%zz%4").segments[0], "a%zz%4");
}

TEST(Gate, AWebSocketPathHasExactlyOneId) {
    const auto path = [](const char* text) { return websocket_path(web::RequestTarget::parse(text)); };
    EXPECT_EQ(path("/ws/worker/w")->role, Role::worker);
    EXPECT_EQ(path("/ws/monitor/m?x=y")->id, "m");
    for (const auto* wrong :
         {"/ws/worker", "/ws/worker/", "/ws/worker/a/b", "/ws/worker/a%2Fb", "/ws/x/y", "/", "/api/jobs"}) {
        EXPECT_FALSE(path(wrong)) << wrong;
    }
}

TEST(Gate, TheOwnerOfASecondConnectionIsInItsId) {
    EXPECT_EQ(owner_of_bulk("gpu-1f-bulk"), "gpu-1f");
    EXPECT_EQ(owner_of_bulk("gpu-1f-bulk12"), "gpu-1f");
    EXPECT_EQ(owner_of_bulk("gpu-bulk-bulk"), "gpu-bulk");
    for (const char* id : {"gpu", "-bulk", "bulk", "gpu-bulky", "gpu-bulk-1", "gpubulk", "", "7"})
        EXPECT_FALSE(owner_of_bulk(id)) << id;
}

TEST(Gate, OnlyPagesOfThisMachineComeIn) {
    const auto local = [](const char* origin, const char* host) {
        return from_allowed_origin(origin, host, true);
    };
    EXPECT_TRUE(local("", "127.0.0.1:8001"));
    EXPECT_TRUE(local("http://localhost:3000", "localhost:8001"));
    EXPECT_TRUE(local("http://[::1]:3000", "[::1]:8001"));
    EXPECT_FALSE(local("https://evil.example", "127.0.0.1:8001"));
    EXPECT_FALSE(local("http://127.evil.example", "127.0.0.1"));
    EXPECT_FALSE(local("null", "127.0.0.1"));
    EXPECT_FALSE(local("", "evil.example"));
    EXPECT_TRUE(from_allowed_origin("https://hub.lan:8001", "hub.lan:8001", false));
    EXPECT_FALSE(from_allowed_origin("https://evil.example", "hub.lan:8001", false));
}

class StoreTest : public testing::Test {
  protected:
    StoreTest() : store_(SqliteStore::open(":memory:").value()) {}

    Job add(const std::string& id, JobStatus status = JobStatus::pending) {
        Job job;
        job.id = id;
        job.type = "sim";
        job.created_at = 100;
        job.sequence = store_->insert(job, "{}").value();
        if (status == JobStatus::pending) return job;
        job.status = status;
        job.completed_at = is_final(status) ? 200 : 0;
        EXPECT_TRUE(store_->update(job).ok());
        return job;
    }

    std::unique_ptr<SqliteStore> store_;
};

TEST_F(StoreTest, KeepsEveryFieldOfAJob) {
    Job job;
    job.id = "j";
    job.type = "t";
    job.priority = -3;
    job.client_id = "c";
    job.created_at = 1.25;
    job.sequence = store_->insert(job, R"({"b":1.10})").value();
    EXPECT_EQ(store_->find("j").value()->job, job);
    EXPECT_EQ(store_->payload("j").value(), R"({"b":1.10})");
    job.status = JobStatus::completed;
    job.worker_id = "w";
    job.last_failer = "f";
    job.attempts = 2;
    job.claimed_at = 2;
    job.completed_at = 3;
    job.progress = -1;
    job.message = "";
    job.error = "e";
    ASSERT_TRUE(store_->update_with_result(job, R"({"r":1e5})").ok());
    const auto stored = *store_->find("j").value();
    EXPECT_EQ(stored.job, job);
    EXPECT_EQ(stored.result, R"({"r":1e5})");
}

TEST_F(StoreTest, AKnownIdIsRefusedAndItsJobUntouched) {
    const auto first = add("j", JobStatus::completed);
    EXPECT_EQ(store_->insert(first, "{}").error().code, "exists");
    EXPECT_EQ(store_->find("j").value()->job, first);
    EXPECT_EQ(store_->payload("none").error().code, "not_found");
    EXPECT_FALSE(store_->find("none").value().has_value());
}

TEST_F(StoreTest, ForgetsOldFinishedJobsWithTheirTexts) {
    add("a", JobStatus::completed);
    add("b", JobStatus::failed);
    add("c", JobStatus::claimed);
    add("d");
    EXPECT_TRUE(store_->forget_finished_before(200, 10).value().empty());
    EXPECT_EQ(store_->forget_finished_before(201, 1).value().size(), 1U);
    EXPECT_EQ(store_->forget_finished_before(201, 10).value().size(), 1U);
    EXPECT_EQ(store_->unfinished().value().size(), 2U);
    EXPECT_EQ(store_->payload("a").error().code, "not_found");
}

TEST_F(StoreTest, NoStatementWalksThroughTheFinishedJobs) {
    for (int i = 0; i < 10'000; ++i)
        add("done" + std::to_string(i), JobStatus::completed);
    int checked = 0;
    for (const auto& [sql, plan] : store_->query_plans()) {
        if (sql.find("count(*)") != std::string::npos) continue;  // once, when the hub starts
        for (const auto& step : plan) {
            ++checked;
            EXPECT_THAT(step, Not(HasSubstr("SCAN"))) << sql;
        }
    }
    EXPECT_GE(checked, 6);
}

}  // namespace
}  // namespace emprops::local_hub
