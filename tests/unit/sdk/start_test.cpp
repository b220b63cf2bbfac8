#include "connector-sdk/cpp/src/start.h"

#include <gmock/gmock.h>

#include <functional>

namespace emprops::sdk {
namespace {

using ::testing::HasSubstr;

struct NoContext : ConnectorContext {
    void set_status(bool, bool, const std::string&, const std::string&, const Json&) override {}
    void update_capabilities(const Json&) override {}
    void restart_service(const std::string&) override {}
    void log(const std::string&, const std::string&, const Json&) override {}
    bool stopping() const override { return false; }
};

class Startable : public Connector {
  public:
    std::function<void()> on_initialize = [] {};
    std::function<Json()> on_capabilities = [] { return Json{{"gpu", true}}; };
    int slots = 3;
    ConnectorSettings seen;

    std::string version() const override { return "1"; }
    void initialize(const ConnectorSettings& settings, ConnectorContext&) override {
        seen = settings;
        on_initialize();
    }
    std::vector<std::string> job_types() const override { return {"a", "b"}; }
    Json capabilities() const override { return on_capabilities(); }
    int concurrency() const override { return slots; }
    Features features() const override { return {false, true, true}; }
};

std::variant<ipc::Ready, StartFailure> begin(Startable& connector, const ipc::Hello& hello = {}) {
    NoContext context;
    return start_connector(connector, "scripted", hello, context);
}

StartFailure failure_of(Startable& connector, const ipc::Hello& hello = {}) {
    return std::get<StartFailure>(begin(connector, hello));
}

TEST(Start, InitializesWithWhatHelloSaidAndOffersWhatTheConnectorSays) {
    Startable connector;
    ipc::Hello hello;
    hello.worker_id = "w";
    hello.connector = "c";
    hello.instance = 2;
    hello.settings = {{"k", 1}};
    hello.work_dir = "/tmp/x";
    const auto ready = std::get<ipc::Ready>(begin(connector, hello));
    EXPECT_EQ(connector.seen.worker_id, "w");
    EXPECT_EQ(connector.seen.connector, "c");
    EXPECT_EQ(connector.seen.instance, 2);
    EXPECT_EQ(connector.seen.settings, (Json{{"k", 1}}));
    EXPECT_EQ(connector.seen.work_dir, "/tmp/x");
    EXPECT_EQ(ready.name, "scripted");
    EXPECT_EQ(ready.job_types, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(ready.concurrency, 3);
    EXPECT_EQ(ready.capabilities, (Json{{"gpu", true}}));
    EXPECT_EQ(ready.features, (ipc::Features{false, true, true, true}));
}

TEST(Start, TheConfiguredConcurrencyIsObeyed) {
    Startable connector;
    ipc::Hello hello;
    hello.concurrency = 7;
    const auto ready = std::get<ipc::Ready>(begin(connector, hello));
    EXPECT_EQ(ready.concurrency, 7) << "whatever concurrency() says";
    EXPECT_EQ(connector.seen.concurrency, 7);
}

TEST(Start, WhatCannotBeOfferedIsMadeAcceptable) {
    Startable connector;
    connector.slots = 0;
    connector.on_capabilities = [] { return Json::array(); };
    const auto ready = std::get<ipc::Ready>(begin(connector));
    EXPECT_EQ(ready.concurrency, 1);
    EXPECT_EQ(ready.capabilities, Json::object());
}

TEST(Start, AConfigurationErrorIsNotRetried) {
    Startable connector;
    connector.on_initialize = [] { throw ConfigurationError("port is \"x\""); };
    const auto failure = failure_of(connector);
    EXPECT_EQ(failure.exit_code, 78);
    EXPECT_FALSE(failure.error.retryable);
    EXPECT_EQ(failure.error.message, "port is \"x\"");
}

TEST(Start, AnyOtherFailureIsRetriedUnlessItSaysNo) {
    Startable connector;
    connector.on_initialize = [] { throw std::runtime_error("no GPU"); };
    EXPECT_EQ(failure_of(connector).exit_code, 70);
    EXPECT_TRUE(failure_of(connector).error.retryable);
    connector.on_initialize = [] { throw JobFailure("service_unavailable", "down"); };
    EXPECT_EQ(failure_of(connector).exit_code, 70);
    EXPECT_EQ(failure_of(connector).error.code, "service_unavailable");
    connector.on_initialize = [] { throw JobFailure("access_denied", "wrong key", false); };
    EXPECT_EQ(failure_of(connector).exit_code, 78);
}

TEST(Start, AConnectorThatThrowsWhenAskedWhatItOffersFailsToStart) {
    Startable connector;
    connector.on_capabilities = []() -> Json { throw std::runtime_error("capabilities broke"); };
    EXPECT_EQ(failure_of(connector).error.message, "capabilities broke");
}

TEST(Start, AForeignProtocolVersionIsRefusedBeforeAnythingRuns) {
    Startable connector;
    bool initialized = false;
    connector.on_initialize = [&] { initialized = true; };
    ipc::Hello hello;
    hello.protocol_versions = {2, 3};
    const auto failure = failure_of(connector, hello);
    EXPECT_EQ(failure.exit_code, 78);
    EXPECT_THAT(failure.error.message, HasSubstr("the supervisor offers 2, 3"));
    EXPECT_FALSE(initialized);
    hello.protocol_versions = {1, 2};
    EXPECT_TRUE(std::holds_alternative<ipc::Ready>(begin(connector, hello)));
}

}  // namespace
}  // namespace emprops::sdk
