// What `submit` does with the Hub's answers, and with answers that do not come. A link without a socket.

#include "supervisor/cli/job_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/run_until.h"

namespace emprops::cli {
namespace {

using ipc::Json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Shared by the test and the link that the client owns.
struct Wire {
    hub::Link::Handlers handlers;
    int connects = 0;
    bool dropped = false;
    std::vector<std::string> sent;
};

class FakeLink : public hub::Link {
  public:
    explicit FakeLink(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}
    void connect(hub::Target, std::optional<hub::Proxy>, Handlers handlers) override {
        ++wire_->connects;
        wire_->handlers = std::move(handlers);
    }
    void send(std::string text) override { wire_->sent.push_back(std::move(text)); }
    void send_first(std::string text) override { send(std::move(text)); }
    void close(std::string) override {}
    void drop() override { wire_->dropped = true; }
    std::size_t queued_bytes() const override { return 0; }

  private:
    std::shared_ptr<Wire> wire_;
};

class JobClientTest : public testing::Test {
  protected:
    JobClientTest() {
        settings.url = "ws://hub/";
        limits.poll_interval = Ms(1);
    }

    JobClient& client() {
        if (client_) return *client_;
        JobClient::Events events;
        events.accepted = [this](const std::string& id, int position) {
            said.push_back("accepted " + id + " " + std::to_string(position));
        };
        events.not_taken = [this](const std::string& id, const std::string& why) {
            said.push_back("not taken " + id + ": " + why);
        };
        events.progress = [](auto&&...) {};
        events.attempt_failed = [](auto&&...) {};
        events.completed = [this](const std::string& id, const std::string&) {
            said.push_back("completed " + id);
        };
        events.failed = [this](const std::string& id, const std::string& why) {
            said.push_back("failed " + id + ": " + why);
        };
        events.lost = [this](const std::string& why) {
            if (on_lost) on_lost(why);
        };
        events.unreachable = [this](const std::string& why, bool) { said.push_back("unreachable: " + why); };
        events.uncertain = [this](const std::string& why) { said.push_back("uncertain: " + why); };
        client_ = std::make_unique<JobClient>(loop, settings, std::move(events), limits,
                                              std::make_unique<FakeLink>(wire));
        return *client_;
    }
    void submit(const std::string& job_id) {
        JobRequest request;
        request.job_id = job_id;
        request.job_type = "sim";
        request.payload = "{}";
        ASSERT_TRUE(client().submit(std::move(request)).ok());
    }
    void hub(const Json& message) { wire->handlers.on_frame(message.dump()); }
    void welcome() { hub({{"type", "connection_established"}}); }
    void error(const std::string& text) { hub({{"type", "error"}, {"error", text}}); }
    void reconnect() {
        wire->sent.clear();
        const int before = wire->connects;
        wire->handlers.on_closed("cut");
        ASSERT_TRUE(run_until([&] { return wire->connects > before; }));
        welcome();
    }
    std::vector<std::string> types_sent() const {
        std::vector<std::string> types;
        for (const auto& text : wire->sent)
            types.push_back(Json::parse(text).at("type"));
        return types;
    }
    template <class Condition>
    bool run_until(Condition condition) {
        return test::run_until(loop, condition, Ms(10'000));
    }

    boost::asio::io_context loop;
    config::HubSettings settings;
    JobClient::Limits limits;
    std::shared_ptr<Wire> wire = std::make_shared<Wire>();
    std::vector<std::string> said;
    std::function<void(const std::string& why)> on_lost;

  private:
    std::unique_ptr<JobClient> client_;
};

TEST_F(JobClientTest, AnErrorBeforeTheAcceptanceEndsTheSubmissionWithItsText) {
    submit("j1");
    client().connect();
    welcome();
    error("Job j1 already exists");
    EXPECT_THAT(said, ElementsAre("not taken j1: Job j1 already exists"));
}

TEST_F(JobClientTest, AnErrorWithoutAnIdBelongsToTheOldestSubmission) {
    submit("j1");
    submit("");
    client().connect();
    welcome();
    hub({{"type", "job_accepted"}, {"job_id", "j1"}, {"position", 3}});
    error("Invalid message format");
    EXPECT_THAT(said, ElementsAre("accepted j1 3", "not taken : Invalid message format"));
}

TEST_F(JobClientTest, AJobThatTheHubHasForgottenHasFailed) {
    submit("j1");
    client().connect();
    welcome();
    hub({{"type", "job_accepted"}, {"job_id", "j1"}, {"position", 1}});
    reconnect();
    EXPECT_THAT(types_sent(), ElementsAre("request_job_status"));
    error("Job j1 not found");
    EXPECT_THAT(said, ElementsAre("accepted j1 1", "failed j1: is not known to the Hub any more"));
    error("Job other not found");
    EXPECT_EQ(said.size(), 2u);
}

TEST_F(JobClientTest, ACutBeforeTheAcceptanceAsksForTheIdAndSubmitsAgainOnlyIfItNeverArrived) {
    submit("j1");
    client().connect();
    welcome();
    EXPECT_THAT(types_sent(), ElementsAre("submit_job"));
    reconnect();
    EXPECT_THAT(types_sent(), ElementsAre("request_job_status"));
    error("Job j1 not found");
    EXPECT_THAT(types_sent(), ElementsAre("request_job_status", "submit_job"));
    reconnect();
    hub({{"type", "response_job_status"}, {"job_id", "j1"}, {"status", "completed"}, {"result", {{"x", 1}}}});
    EXPECT_THAT(said, ElementsAre("accepted j1 0", "completed j1"));
}

TEST_F(JobClientTest, ACutBeforeTheAcceptanceOfAJobWithoutAnIdIsSaidToBeUncertain) {
    submit("");
    client().connect();
    welcome();
    reconnect();
    EXPECT_THAT(said, ElementsAre(HasSubstr("it is not known whether the Hub took the job")));
    EXPECT_THAT(wire->sent, IsEmpty()) << "never twice";
    EXPECT_TRUE(wire->dropped);
}

TEST_F(JobClientTest, ALostConnectionIsToldAndMadeAgainUnlessThatWasEnough) {
    submit("j1");
    client().connect();
    welcome();
    hub({{"type", "job_accepted"}, {"job_id", "j1"}, {"position", 1}});
    std::string lost;
    on_lost = [&](const std::string& why) { lost = why; };
    reconnect();
    EXPECT_EQ(lost, "cut");
    on_lost = [&](const std::string&) { client().close({}); };
    const int before = wire->connects;
    wire->handlers.on_closed("the worker has ended");
    loop.restart();
    loop.run();
    EXPECT_EQ(wire->connects, before);
}

TEST_F(JobClientTest, AHubThatDoesNotAnswerIsWaitedForSoLongOnly) {
    limits.acceptance = Ms(1);
    submit("j1");
    client().connect();
    welcome();
    ASSERT_TRUE(run_until([&] { return !said.empty(); }));
    EXPECT_THAT(said, ElementsAre(HasSubstr("it is not known whether the Hub took the job")));
}

TEST_F(JobClientTest, AHubThatDoesNotWelcomeUsIsUnreachable) {
    limits.acceptance = Ms(1);
    submit("j1");
    client().connect();
    ASSERT_TRUE(run_until([&] { return !said.empty(); }));
    EXPECT_THAT(said, ElementsAre(HasSubstr("unreachable: the Hub has not welcomed us")));
}

TEST_F(JobClientTest, AMessageAboveTheHubsLimitIsNotSent) {
    settings.send_limit = 100;
    JobRequest request;
    request.payload = "{\"x\":\"" + std::string(200, 'x') + "\"}";
    const auto queued = client().submit(std::move(request));
    ASSERT_FALSE(queued.ok());
    EXPECT_THAT(queued.error().message, HasSubstr("hub.send_limit"));
}

TEST_F(JobClientTest, ClosingWithoutAConnectionIsDoneAtOnce) {
    bool done = false;
    client().close([&] { done = true; });
    EXPECT_TRUE(run_until([&] { return done; }));
}

}  // namespace
}  // namespace emprops::cli
