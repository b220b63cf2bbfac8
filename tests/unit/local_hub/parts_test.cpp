// The small pure parts: paths and origins, the store.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "supervisor/local_hub/gate.h"
#include "supervisor/local_hub/store.h"

namespace emprops::local_hub {
namespace {

using testing::HasSubstr;
using testing::Not;

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
    EXPECT_FALSE(local("http://localhost:x@evil.example", "127.0.0.1"));
    EXPECT_FALSE(local("http://localhost:80@evil.example", "127.0.0.1"));
    EXPECT_FALSE(local("http://[::1]@evil.example", "127.0.0.1"));
    EXPECT_FALSE(local("", "localhost:"));
    EXPECT_FALSE(local("", "evil.example"));
    EXPECT_TRUE(from_allowed_origin("https://hub.lan:8001", "hub.lan:8001", false));
    EXPECT_FALSE(from_allowed_origin("https://evil.example", "hub.lan:8001", false));
}

class StoreTest : public testing::Test {
  protected:
    StoreTest() : store_(Store::open(":memory:").value()) {}

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

    std::unique_ptr<Store> store_;
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
