#include "supervisor/control/routes.h"

#include <gtest/gtest.h>

namespace emprops::control {
namespace {

/// Notes what was called; knows one connector, "comfyui".
struct FakeOperations : Operations {
    mutable std::string called;

    Result<std::string> on(const std::string& verb, const std::string& name) {
        called = verb + " " + name;
        if (!name.empty() && name != "comfyui") return Error{"not_found", "no connector named " + name};
        return "done: " + verb;
    }
    Json status() const override { return {{"state", "running"}}; }
    Json jobs() const override { return {{"jobs", Json::array()}}; }
    Result<std::string> why(const std::string& name) const override {
        if (name != "comfyui") return Error{"not_found", "no connector named " + name};
        return std::string("comfyui is ready");
    }
    Result<std::string> restart(const std::string& name) override { return on("restart", name); }
    Result<std::string> restart_service(const std::string& name) override {
        return on("restart_service", name);
    }
    Result<std::string> start(const std::string& name) override { return on("start", name); }
    Result<std::string> stop(const std::string& name) override { return on("stop", name); }
    Result<std::string> drain(const std::string& name, const std::string& mode) override {
        return on("drain:" + mode, name);
    }
    Result<std::string> resume(const std::string& name) override { return on("resume", name); }
    Result<std::string> reload() override { return Error{"config", "emprops-worker.toml:3: unknown key"}; }
    Result<std::string> cancel(const std::string& job_id, const std::string& reason) override {
        called = "cancel " + job_id + " because " + reason;
        return std::string("cancelling");
    }
    Result<std::string> deliver_again(const std::string& name) override {
        called = "retry " + name;
        return std::string("delivering");
    }
    Result<std::vector<std::string>> log_tail(const std::string&) const override {
        return std::vector<std::string>{"a", "b"};
    }
    Result<Subscription> follow_log(const std::string&, OnLine on_line) override {
        on_line("first");
        return Subscription(std::make_shared<int>(1));
    }
    Result<Subscription> follow_trace(const std::string& name, OnLine) override {
        return Error{"not_found", "no connector named " + name};
    }
};

Answer ask(FakeOperations& operations, const std::string& method, const std::string& target,
           const std::string& body = "") {
    Request request;
    request.method = method;
    request.body = body;
    request.target = web::RequestTarget::parse(target);
    return handle(operations, request);
}

TEST(ControlRoutes, EveryOperationReachesTheWorker) {
    const struct {
        const char* method;
        const char* target;
        const char* body;
        const char* called;
    } rows[] = {
        {"POST", "/v1/connectors/comfyui/restart", "", "restart comfyui"},
        {"POST", "/v1/connectors/comfyui/restart", R"({"service":false})", "restart comfyui"},
        {"POST", "/v1/connectors/comfyui/restart", R"({"service":true})", "restart_service comfyui"},
        {"POST", "/v1/connectors/comfyui/start", "{}", "start comfyui"},
        {"POST", "/v1/connectors/comfyui/stop", "", "stop comfyui"},
        {"POST", "/v1/connectors/comfyui/drain", "", "drain:graceful comfyui"},
        {"POST", "/v1/connectors/comfyui/resume", "", "resume comfyui"},
        {"POST", "/v1/connectors/comfyui/drain", R"({"mode":"now"})", "drain:now comfyui"},
        {"POST", "/v1/drain", "", "drain:graceful "},
        {"POST", "/v1/drain", R"({"mode":"now"})", "drain:now "},
        {"POST", "/v1/resume", "", "resume "},
        {"POST", "/v1/cancel", R"({"job_id":"../x","reason":"why not"})", "cancel ../x because why not"},
        {"POST", "/v1/retry", R"({"name":"../x"})", "retry ../x"},
    };
    for (const auto& row : rows) {
        FakeOperations operations;
        EXPECT_EQ(ask(operations, row.method, row.target, row.body).status, 200) << row.target;
        EXPECT_EQ(operations.called, row.called);
    }
}

TEST(ControlRoutes, PagesAnswerWithJson) {
    FakeOperations operations;
    EXPECT_EQ(ask(operations, "GET", "/v1/status").body["state"], "running");
    EXPECT_EQ(ask(operations, "GET", "/v1/why/comfyui").body["why"], "comfyui is ready");
    EXPECT_EQ(ask(operations, "GET", "/v1/logs").body["lines"].size(), 2u);
    EXPECT_EQ(ask(operations, "GET", "/v1/jobs").status, 200);
}

TEST(ControlRoutes, FollowedLogsAreAStream) {
    FakeOperations operations;
    const auto answer = ask(operations, "GET", "/v1/logs/comfyui?follow=1");
    ASSERT_TRUE(answer.stream);
    std::string line;
    const auto subscription = answer.stream([&](const std::string& text) { line = text; });
    EXPECT_TRUE(subscription.ok());
    EXPECT_EQ(line, "first");
}

TEST(ControlRoutes, BadRequestsAreRefusedWithAReason) {
    FakeOperations operations;
    EXPECT_EQ(ask(operations, "GET", "/v1/why/nobody").status, 404);
    EXPECT_EQ(ask(operations, "POST", "/v1/connectors/nobody/restart").status, 404);
    EXPECT_EQ(ask(operations, "POST", "/v1/connectors/comfyui/restart", R"({"service":1})").status, 400);
    EXPECT_EQ(ask(operations, "POST", "/v1/connectors/comfyui/explode").status, 404);
    EXPECT_EQ(ask(operations, "DELETE", "/v1/status").status, 405);
    EXPECT_EQ(ask(operations, "GET", "/status").status, 404);
    EXPECT_EQ(ask(operations, "POST", "/v1/cancel").status, 400);
    EXPECT_EQ(ask(operations, "POST", "/v1/retry").status, 400);
    EXPECT_EQ(ask(operations, "POST", "/v1/retry", R"({"name":""})").status, 400);
    EXPECT_EQ(ask(operations, "POST", "/v1/cancel", "[1]").status, 400);
    EXPECT_EQ(ask(operations, "POST", "/v1/cancel", R"({"job_id":7})").status, 400);
    EXPECT_EQ(ask(operations, "POST", "/v1/drain", R"({"mode":"soon"})").status, 400);
    EXPECT_EQ(ask(operations, "POST", "/v1/connectors/comfyui/drain", R"({"mode":7})").status, 400);
    const auto reload = ask(operations, "POST", "/v1/reload");
    EXPECT_EQ(reload.status, 409);
    EXPECT_EQ(reload.body["error"]["message"], "emprops-worker.toml:3: unknown key");
}

TEST(ControlRoutes, TargetsAreDecodedAndBadOnesRefused) {
    FakeOperations operations;
    EXPECT_EQ(ask(operations, "POST", "/v1/connectors/a%20b%2fc/start").status, 404)
        << "no connector of that name";
    EXPECT_EQ(operations.called, "start a b/c");
    EXPECT_EQ(ask(operations, "GET", "no-slash").status, 400);
    EXPECT_EQ(ask(operations, "GET", "/v1/why/bad%2").status, 400);
}

}  // namespace
}  // namespace emprops::control
