// What a slow line, a flooding connector or a talkative one may not do to the link: outcomes are not sent
// twice, signs of life pass, monitors' messages are thinned, no frame is larger than the Hub takes.

#include "session_fixture.h"
#include "supervisor/hub/announcer.h"

namespace emprops::hub {
namespace {

class PressureTest : public SessionTest {
  protected:
    PressureTest() {
        queued_bytes = [this] { return waiting; };
    }
    /// Like run(), and says of each frame whether it may overtake.
    std::vector<std::pair<std::string, bool>> run_with_order() {
        std::vector<std::pair<std::string, bool>> sent;
        std::size_t next = frames.size();
        for (run(); next < frames.size(); ++next)
            sent.emplace_back(word_of_frame(frames[next]), urgent[next]);
        return sent;
    }
    static ipc::Status status_with(std::size_t bytes) {
        ipc::Status status;
        status.connected = status.available = true;
        status.details = {{"text", std::string(bytes, 'x')}};
        return status;
    }
    std::size_t longest_frame() const {
        std::size_t longest = 0;
        for (const auto& frame : frames)
            longest = std::max(longest, frame.size());
        return longest;
    }

    std::size_t waiting = 0;
};

TEST_F(PressureTest, TheAckClockOfAnOutcomeStartsWhenItWasWritten) {
    connect();
    get_job("j1");
    end_job(completed("j1"));
    waiting = 1000;
    EXPECT_THAT(pass(Ms(120'000)), Not(Contains("open watch"))) << "the first copy has not left yet";
    waiting = 0;
    EXPECT_THAT(pass(Ms(29'000)), Not(Contains("open watch")));
    EXPECT_THAT(pass(Ms(2'000)), Contains("open watch"));
}

TEST_F(PressureTest, AFrameBehindTheOutcomeDoesNotKeepItsClockFromStarting) {
    connect();
    get_job("j1");
    end_job(completed("j1"));
    waiting = 10;  // less than the status that followed the outcome: that one has not left
    EXPECT_THAT(pass(Ms(31'000)), Contains("open watch"));
}

TEST_F(PressureTest, SignsOfLifeMayOvertakeAndOutcomesMayNot) {
    desk.offer_types({{"sim", 2}});
    connect();
    get_job("j1");
    get_job("j2");
    waiting = 5 << 20;
    session().deliver(now, completed("j1"));
    for (const auto& [word, urgent] : run_with_order())
        EXPECT_FALSE(urgent) << word;
    std::map<std::string, bool> seen;
    for (int i = 0; i < 200; ++i) {
        now += Ms(200);
        session().on_time(now);
        for (const auto& [word, urgent] : run_with_order())
            seen[word] = urgent;
    }
    EXPECT_TRUE(seen.at("keepalive j2"));
    EXPECT_TRUE(seen.at("heartbeat null")) << "and says nothing that what it overtakes could contradict";
    EXPECT_EQ(seen.count("heartbeat idle") + seen.count("heartbeat busy"), 0u);
}

TEST_F(PressureTest, OutcomesAreHandedOutNoFasterThanTheyAreWritten) {
    settings.hub.send_limit = 1000;
    desk.offer_types({{"sim", 3}});
    connect();
    for (const char* job : {"j1", "j2", "j3"})
        get_job(job);
    waiting = 2001;
    for (const char* job : {"j1", "j2", "j3"})
        EXPECT_THAT(end_job(completed(job)), Not(Contains(std::string("complete ") + job)));
    EXPECT_THAT(pass(Ms(1000)), Not(Contains("status busy"))) << "nothing is said about what did not leave";
    waiting = 0;
    const Words words = pass(Ms(1000));
    for (const char* job : {"j1", "j2", "j3"})
        EXPECT_THAT(words, Contains(std::string("complete ") + job));
}

TEST_F(PressureTest, AFloodOfConnectorStatusesIsThinnedAndTheNewestIsSent) {
    connect();
    int sent = 0;
    for (int i = 0; i < 1000; ++i) {
        ipc::Status status;
        status.reason = std::to_string(i);
        session().set_connector_status("c", status);
        for (const auto& word : run())
            sent += word == "connector_ws_status" ? 1 : 0;
    }
    EXPECT_EQ(sent, 1);
    EXPECT_THAT(pass(Ms(1000)), ElementsAre("connector_ws_status"));
    EXPECT_EQ(ipc::Json::parse(frames.back())["details"]["reason"], "999");
    EXPECT_THAT(pass(Ms(5000)), Not(Contains("connector_ws_status")));
}

TEST_F(PressureTest, AFloodOfCapabilitiesIsRegisteredOncePerSecond) {
    connect();
    int registrations = 0;
    const auto count = [&](const Words& words) {
        for (const auto& word : words)
            registrations += word.starts_with("register") ? 1 : 0;
    };
    for (int i = 0; i < 1000; ++i) {
        session().set_capabilities(now, {{"c_version", i}});
        count(run());
    }
    EXPECT_EQ(registrations, 0) << "the first registration of the connection was just now";
    count(pass(Ms(5000)));
    EXPECT_EQ(registrations, 1);
    EXPECT_THAT(frames, Contains(testing::HasSubstr("\"c_version\":999")));
}

TEST_F(PressureTest, WhatOnlyMonitorsReadIsDroppedOrHeldWhileTheLineIsCrowded) {
    connect();
    waiting = settings.crowded_bytes + 1;
    ipc::ServiceRequest request;
    request.job_id = "j1";
    session().service_request(request);
    session().set_connector_status("c", ipc::Status{});
    EXPECT_THAT(run(), IsEmpty());
    waiting = 0;
    EXPECT_THAT(pass(Ms(1000)), ElementsAre("connector_ws_status"));
    session().service_request(request);
    EXPECT_THAT(run(), ElementsAre("service_request j1"));
}

TEST_F(PressureTest, LargeDetailsOfAConnectorAreLeftOutWithANote) {
    connect();
    for (int i = 0; i < 5; ++i) {
        session().set_connector_status("talker", status_with(1 << 20));
        pass(Ms(1000));
    }
    EXPECT_LT(longest_frame(), std::size_t{100'000});
    EXPECT_EQ(std::count_if(notes.begin(), notes.end(),
                            [](const auto& note) {
                                return note.find("connector talker") != std::string::npos &&
                                       note.find("65536") != std::string::npos;
                            }),
              1)
        << "said once, not each time";
    pass(std::chrono::minutes(3));  // full statuses as well
    EXPECT_LT(longest_frame(), std::size_t{100'000});
    session().set_connector_status("talker", status_with(10));
    pass(Ms(1000));
    EXPECT_THAT(frames, Contains(testing::HasSubstr("xxxxxxxxxx")));
}

TEST_F(PressureTest, AForgottenConnectorIsInNoStatus) {
    connect();
    session().set_connector_status("removed", ipc::Status{});
    session().set_connector_status("kept", ipc::Status{});
    pass(Ms(1000));
    session().forget_connector_status("removed");
    frames.clear();
    EXPECT_THAT(pass(std::chrono::minutes(3)), Contains("full status idle"));
    for (const auto& frame : frames)
        EXPECT_EQ(frame.find("removed"), std::string::npos) << frame;
}

TEST_F(PressureTest, LargeCapabilitiesOfOneConnectorCostOnlyItsOwnKeys) {
    connect();
    session().set_capabilities(now, {{"talker_models", std::string(1 << 20, 'x')}, {"other_gpu", "A100"}});
    pass(Ms(2000));
    EXPECT_LT(longest_frame(), std::size_t{100'000});
    EXPECT_THAT(frames, Contains(testing::HasSubstr("A100")));
    EXPECT_THAT(notes, Contains(testing::HasSubstr("talker_models")));
}

TEST_F(PressureTest, AFullStatusOfManyConnectorsIsNeverLargerThanTheHubTakes) {
    settings.hub.send_limit = 200'000;
    connect();
    for (int i = 0; i < 10; ++i)
        session().set_connector_status("c" + std::to_string(i), status_with(60'000));
    const Words words = pass(std::chrono::minutes(3));
    EXPECT_THAT(words, Contains("full status idle"));
    EXPECT_LE(longest_frame(), settings.hub.send_limit);
}

TEST_F(PressureTest, ALongTextThatIsNoMessageDoesNotMakeProgressTooLarge) {
    settings.hub.send_limit = 1000;
    connect();
    get_job("j1");
    ipc::Progress progress;
    progress.progress = 5;
    progress.status = std::string(5000, 's');
    progress.message = std::string(5000, 'm');
    session().report_progress("j1", numbers["j1"], progress);
    EXPECT_THAT(run(), ElementsAre("progress j1 5"));
    EXPECT_LE(longest_frame(), std::size_t{1000});
}

}  // namespace
}  // namespace emprops::hub
