// Jobs that are claimed while all slots are taken: what the Hub is told of them, at the two kinds of Hub.
#include "tests/unit/hub/session_fixture.h"

namespace emprops::hub {
namespace {

class AheadTest : public SessionTest {
  protected:
    static std::string local_welcome() {
        return R"({"type":"connection_established","message":"hi","takes_jobs_back":true})";
    }
    void connect_to(const std::string& greeting) {
        session().start(now);
        run();
        session().on_connected(now);
        run();
        frame(greeting);
    }
    /// The slot runs a job; `ahead` says whether one more may be claimed.
    Words full(bool ahead) {
        desk.now_free.free_slots.clear();
        desk.now_free.ahead.clear();
        if (ahead) desk.now_free.ahead = {"sim"};
        return run();
    }
    ipc::Json last_frame() const { return ipc::Json::parse(frames.back()); }
};

TEST_F(AheadTest, TheHubSaysWhetherItTakesJobsBack) {
    connect_to(welcome());
    EXPECT_EQ(takes_back, false);
    disconnect();
    session().on_connected(now);
    run();
    frame(local_welcome());
    EXPECT_EQ(takes_back, true) << "another hub has taken the address";
}

TEST_F(AheadTest, AtTheLocalHubSeveralOffersAreClaimedTogether) {
    connect_to(local_welcome());
    desk.now_free.free_slots = {{"sim", 3}};
    get_job("j1");
    EXPECT_EQ(last_frame()["offers_at_once"], 2) << "one of three runs";
    EXPECT_THAT(frame(offer("j2")), ElementsAre("claim j2"));
    EXPECT_THAT(frame(offer("j3")), ElementsAre("claim j3"));
    EXPECT_THAT(frame(offer("j3")), IsEmpty()) << "once";
    desk.now_free.free_slots = {{"sim", 1}};
    EXPECT_THAT(frame(assigned("j2")), ElementsAre("progress j2 0", "assigned j2#2"))
        << "no status while a claim is outstanding";
    EXPECT_THAT(frame(assigned("j3")), ElementsAre("progress j3 0", "assigned j3#3", "status idle"));
    EXPECT_EQ(last_frame()["offers_at_once"], 1);
    desk.now_free.free_slots.clear();
    EXPECT_THAT(frame(offer("j4")), ElementsAre("status busy"));
    EXPECT_EQ(last_frame()["declined_offers"], ipc::Json::array({"j4"})) << "others may have it";
    desk.now_free.free_slots = {{"sim", 1}};
    run();
    EXPECT_FALSE(last_frame().contains("declined_offers")) << "once";
}

TEST_F(AheadTest, WhatARegistrationCannotSayIsSaidByAStatusBehindIt) {
    desk.offer_types({{"other", 2}, {"sim", 1}});
    connect_to(local_welcome());
    frames.clear();
    // The slot of one type is taken: a registration alone says so, and that the other still has two.
    desk.now_free.free_slots = {{"other", 2}};
    frame(offer("j1"));
    run();
    ipc::Json declined, registered;
    for (const auto& text : frames) {
        const auto sent = ipc::Json::parse(text);
        if (sent["type"] == "register_worker") registered = sent;
        if (sent.contains("declined_offers")) declined = sent;
    }
    EXPECT_FALSE(registered.is_null());
    ASSERT_FALSE(declined.is_null());
    EXPECT_EQ(declined["status"], "idle");
    EXPECT_EQ(declined["declined_offers"], ipc::Json::array({"j1"}));
}

TEST_F(AheadTest, AtTheEmPropsHubOneOfferIsClaimedAfterTheOther) {
    connect_to(welcome());
    desk.now_free.free_slots = {{"sim", 3}};
    get_job("j1");
    EXPECT_FALSE(last_frame().contains("offers_at_once"));
    EXPECT_THAT(frame(offer("j2")), ElementsAre("claim j2"));
    EXPECT_THAT(frame(offer("j3")), IsEmpty());
}

TEST_F(AheadTest, AtTheEmPropsHubItIsIdleForAJobAhead) {
    connect_to(welcome());
    get_job("j1");
    EXPECT_THAT(full(true), ElementsAre("status idle"));
    EXPECT_FALSE(last_frame().contains("ahead_job_types"));
    EXPECT_THAT(frame(offer("j2")), ElementsAre("claim j2"));
    const Words words = frame(assigned("j2"));
    EXPECT_THAT(words, ElementsAre("progress j2 -1", "assigned j2#2", "status busy"));
    EXPECT_EQ(ipc::Json::parse(frames[frames.size() - 2])["message"], "waits for the slot");
    EXPECT_THAT(full(false), IsEmpty());
    EXPECT_THAT(full(true), ElementsAre("status idle"));
    EXPECT_THAT(full(false), ElementsAre("status busy")) << "the estimate was wrong";
}

TEST_F(AheadTest, AtTheLocalHubItSaysApartWhatItTakesAhead) {
    connect_to(local_welcome());
    get_job("j1");
    EXPECT_THAT(full(true), ElementsAre("status busy"));
    EXPECT_EQ(last_frame()["ahead_job_types"], ipc::Json::array({"sim"}));
    EXPECT_THAT(full(true), IsEmpty()) << "once";
    frame(offer("j2"));
    frame(assigned("j2"));
    EXPECT_EQ(last_frame()["ahead_job_types"], ipc::Json::array());
    const auto end = completed("j1");
    desk.now_free.ahead = {"sim"};
    session().begun("j2", numbers["j2"]);
    session().deliver(now, end);
    EXPECT_THAT(run(), ElementsAre("progress j1 100", "complete j1", "progress j2 0", "status busy"));
    EXPECT_EQ(last_frame()["ahead_job_types"], ipc::Json::array({"sim"}));
}

TEST_F(AheadTest, WhileItWaitsItsSignsOfLifeSaySo) {
    connect_to(local_welcome());
    get_job("j1");
    full(true);
    frame(offer("j2"));
    frame(assigned("j2"));
    frames.clear();
    pass(std::chrono::seconds(11));
    std::map<std::string, ipc::Json> signs;
    for (const auto& text : frames) {
        const auto sent = ipc::Json::parse(text);
        if (sent["type"] == "update_job_progress") signs[sent["job_id"]] = sent;
    }
    EXPECT_EQ(signs["j2"]["message"], "waits for the slot");
    EXPECT_EQ(signs["j2"]["begun"], false);
    EXPECT_FALSE(signs["j1"].contains("begun"));
    session().begun("j2", numbers["j2"]);
    EXPECT_THAT(run(), ElementsAre("progress j2 0"));
    EXPECT_FALSE(last_frame().contains("begun"));
    session().begun("j2", numbers["j2"]);
    EXPECT_THAT(run(), IsEmpty());
}

TEST_F(AheadTest, AfterAReconnectItStillWaits) {
    connect_to(local_welcome());
    get_job("j1");
    full(true);
    frame(offer("j2"));
    frame(assigned("j2"));
    disconnect();
    pass(std::chrono::seconds(2));
    session().on_connected(now);
    run();
    frame(local_welcome());
    EXPECT_EQ(last_frame()["ahead_job_types"], ipc::Json())
        << "nothing is taken ahead now: nothing is said of it";
    frames.clear();
    pass(std::chrono::seconds(30));
    bool waits = false;
    for (const auto& text : frames)
        waits = waits || (text.find("\"j2\"") != std::string::npos &&
                          text.find("waits for the slot") != std::string::npos);
    EXPECT_TRUE(waits);
}

TEST_F(AheadTest, TheHubAsksForAJobAndTheWorkerDecides) {
    connect_to(local_welcome());
    get_job("j1");
    EXPECT_THAT(frame(R"({"type":"return_job","job_id":"j1"})"), ElementsAre("return? j1#1"));
    EXPECT_THAT(frame(R"({"type":"return_job","job_id":"unknown"})"), IsEmpty());
}

}  // namespace
}  // namespace emprops::hub
