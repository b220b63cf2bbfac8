// Who hears what, without any job or worker.

#include "supervisor/local_hub/audience.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::local_hub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct AudienceTest : testing::Test {
    Policy policy;
    Audience audience{policy};
    Now now{TimePoint{} + std::chrono::hours(1), 1e9};
    Actions out;
    Turn turn{now, out};
    int asked = 0;
    Json stats{{"workers", Json::object()}};
    const Audience::Stats ask = [this] {
        ++asked;
        return stats;
    };

    /// "connection type" of each message since the last call.
    std::vector<std::string> said() {
        std::vector<std::string> all;
        for (const auto& action : out) {
            const auto& message = std::get<SendTo>(action);
            all.push_back(std::to_string(message.connection) + " " +
                          Json::parse(message.frames.at(0)).at("type").get<std::string>());
        }
        out.clear();
        return all;
    }
    void channels(ConnectionId monitor, const std::vector<std::string>& names) {
        audience.on_monitor(monitor, Json{{"type", "subscribe"}, {"channels", names}}.dump(), ask, turn);
        EXPECT_EQ(said().size(), 2U);
    }
};

const std::string text = R"({"type":"x"})";

TEST_F(AudienceTest, EachConnectionOfASubscriberHearsOnceAndTheOneThatAskedFirst) {
    audience.add_client(1, "c");
    audience.add_client(2, "c");
    audience.add_client(3, "d");
    audience.publish({}, {"c"}, text, turn, 2);
    EXPECT_THAT(said(), ElementsAre("2 x", "1 x"));
    audience.remove(1);
    audience.publish({}, {"c", "nobody"}, text, turn);
    EXPECT_THAT(said(), ElementsAre("2 x"));
    EXPECT_EQ(*audience.client_id(2), "c");
    EXPECT_EQ(audience.client_id(1), nullptr);
    EXPECT_EQ(audience.client_ids(), Json::array({"c", "d"}));
}

TEST_F(AudienceTest, MonitorsHearOfJobsWhateverTheyWantWithTheJobsClient) {
    audience.add_monitor(1, "m");
    channels(1, {"worker_status"});
    Job job;
    job.client_id = "c";
    audience.publish(job, {}, text, turn);
    EXPECT_EQ(Json::parse(std::get<SendTo>(out.at(0)).frames.at(0)).at("client_id"), "c");
    EXPECT_THAT(said(), ElementsAre("1 x"));
}

TEST_F(AudienceTest, AFilteredMessageIsFollowedByAnAck) {
    audience.add_monitor(1, "m");
    audience.add_monitor(2, "n");
    channels(1, {"worker_status"});
    audience.show("service_request", text, {}, turn);
    EXPECT_THAT(said(), ElementsAre("2 x", "2 ack"));
    audience.show_worker_status("w", "idle", nullptr, nullptr, turn);
    EXPECT_THAT(said(), ElementsAre("1 worker_status", "1 ack", "2 worker_status", "2 ack"));
}

TEST_F(AudienceTest, StatisticsComeWhenTheyChangedAndNowAndThen) {
    audience.broadcast(ask, turn);
    EXPECT_EQ(asked, 0);  // nobody looks
    audience.add_monitor(1, "m");
    audience.broadcast(ask, turn);
    EXPECT_THAT(said(), ElementsAre("1 stats_broadcast", "1 ack"));
    now.steady += policy.stats_when_changed - Ms(1);
    stats["workers"]["w"] = 1;
    audience.broadcast(ask, turn);
    EXPECT_THAT(said(), IsEmpty());
    now.steady += Ms(1);
    audience.broadcast(ask, turn);
    EXPECT_EQ(said().size(), 2U);
    now.steady += policy.stats_at_least - Ms(1);
    audience.broadcast(ask, turn);
    EXPECT_THAT(said(), IsEmpty());
    now.steady += Ms(1);
    audience.broadcast(ask, turn);
    EXPECT_EQ(said().size(), 2U);
}

TEST_F(AudienceTest, AMonitorAsksAndIsAnswered) {
    audience.add_monitor(1, "m");
    audience.on_monitor(1, R"({"type":"get_system_status"})", ask, turn);
    EXPECT_THAT(said(), ElementsAre("1 stats_broadcast", "1 ack"));
    audience.on_monitor(1, R"({"type":"stay_alive"})", ask, turn);
    EXPECT_THAT(said(), ElementsAre("1 stay_alive_response"));
    audience.on_monitor(1, R"({"type":"claim_job"})", ask, turn);
    EXPECT_EQ(std::get<SendTo>(out.at(0)).frames.at(0),
              R"({"type":"error","error":"Unsupported message type: claim_job"})");
    said();
    channels(1, {"worker_status"});
    audience.on_monitor(1, R"({"type":"get_system_status"})", ask, turn);
    EXPECT_THAT(said(), IsEmpty());
    audience.remove(1);
    EXPECT_FALSE(audience.is_monitor(1));
}

}  // namespace
}  // namespace emprops::local_hub
