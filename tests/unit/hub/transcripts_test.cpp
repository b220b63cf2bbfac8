// Recorded conversations with the real Hub: its side is fed to the session at the recorded times, and what
// the session says must be what the protocol demands of a worker (ipc/hub/PROTOCOL.md).

#include <fstream>

#include <algorithm>
#include "session_fixture.h"

namespace emprops::hub {
namespace {

struct Recording {
    const char* file;
    const char* worker;  ///< beginning of the id
    int assigned;        ///< jobs the Hub gave
    int outcomes_acked;  ///< of those, outcomes the Hub acknowledged in the recording
};

class TranscriptTest : public SessionTest, public testing::WithParamInterface<Recording> {
  protected:
    /// When the recorded worker ended a job, ours ends there too.
    void end_as_recorded(const ipc::Json& frame) {
        const std::string type = frame.value("type", "");
        const std::string job = frame.value("job_id", "");
        if ((type != "complete_job" && type != "fail_job") || open_jobs.erase(job) == 0) return;
        take(end_job(type == "complete_job" ? completed(job) : failed(job), "simulation"));
        take(pass(Ms(250)));  // the outcome of a job above a second is asked about, and nobody answers here
    }

    void take(const Words& words) {
        for (const auto& word : words) {
            said.push_back(word);
            if (word.rfind("assigned ", 0) == 0) open_jobs.insert(word.substr(9, word.find('#') - 9));
        }
    }

    int count(const std::string& beginning) const {
        return static_cast<int>(std::count_if(said.begin(), said.end(), [&](const std::string& word) {
            return word.rfind(beginning, 0) == 0;
        }));
    }

    std::set<std::string> open_jobs;
    Words said;
};

TEST_P(TranscriptTest, IsAnsweredAsTheReferenceDemands) {
    const Recording& recording = GetParam();
    desk.offer_types({{"simulation", 2}});
    std::ifstream file(std::string(EMPROPS_FIXTURES) + "/hub/" + recording.file);
    ASSERT_TRUE(file) << recording.file;
    const TimePoint began = now;
    std::string line;
    std::string worker;
    while (std::getline(file, line)) {
        const auto record = ipc::Json::parse(line);
        const std::string id =
            record.contains("id") && record["id"].is_string() ? record["id"].get<std::string>() : "";
        if (id.rfind(recording.worker, 0) != 0) continue;
        const TimePoint at = began + Ms(static_cast<int>(record["t"].get<double>() * 1000));
        if (at > now) take(pass(std::chrono::duration_cast<Ms>(at - now)));
        const std::string direction = record["dir"];
        if (record.contains("event")) {
            const std::string event = record["event"];
            const bool connected = session().view().link == jobs::LinkView::Link::connected;
            if (event == "open" && !connected && worker.empty()) {
                worker = id;
                session().start(now);
                run();
                session().on_connected(now);
                take(run());
            }
            continue;
        }
        if (id != worker || !record.contains("frame")) continue;
        if (direction == "hub->worker") take(frame(record["frame"].dump()));
        if (direction == "worker->hub" && record["frame"].is_object()) end_as_recorded(record["frame"]);
    }
    EXPECT_EQ(count("assigned "), recording.assigned);
    EXPECT_EQ(count("delivered "), recording.outcomes_acked);
    EXPECT_THAT(desk.reserved, IsEmpty()) << "a slot leaked";
    EXPECT_EQ(session().metrics(now).bad_frames, 0u);
    // Every outcome is followed by a status: the Hub offers nothing after complete_job by itself. Not if it
    // takes us for idle already: then everything that waited has been offered.
    bool idle = false;
    for (std::size_t i = 0; i < said.size(); ++i) {
        if (said[i].ends_with(" idle")) idle = true;
        if (said[i].ends_with(" busy") || said[i].rfind("claim ", 0) == 0) idle = false;
        if (idle) continue;
        const bool outcome = said[i].rfind("complete ", 0) == 0 || said[i].rfind("fail ", 0) == 0;
        if (!outcome) continue;
        ASSERT_LT(i + 1, said.size());
        EXPECT_THAT(said[i + 1],
                    testing::AnyOf(testing::StartsWith("status "), testing::StartsWith("register ")));
    }
}

INSTANTIATE_TEST_SUITE_P(Recorded, TranscriptTest,
                         testing::Values(Recording{"s02_sim_success.jsonl", "w1-", 1, 1},
                                         Recording{"s03_job_fails_retry.jsonl", "wA-", 1, 1},
                                         Recording{"s03_job_fails_retry.jsonl", "wD-", 1, 1},
                                         Recording{"s08_claim_race.jsonl", "wA", 1, 0},
                                         Recording{"s08_claim_race.jsonl", "wB", 1, 0},
                                         Recording{"s19_two_jobs_one_worker.jsonl", "wP", 2, 2}),
                         [](const auto& row) {
                             std::string name = std::string(row.param.file) + row.param.worker;
                             std::erase_if(
                                 name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); });
                             return name;
                         });

TEST_F(SessionTest, TheRecordedRefusalLoopIsNotEntered) {
    // s14: the Hub offers a job whose claims it refuses again after every idle message.
    std::ifstream file(std::string(EMPROPS_FIXTURES) + "/hub/s14_force_retry_loop.jsonl");
    ASSERT_TRUE(file);
    desk.offer_types({{"simulation", 1}});
    connect();
    int claims = 0;
    int statuses = 0;
    std::string line;
    while (std::getline(file, line)) {
        const auto record = ipc::Json::parse(line);
        if (record["dir"] != "hub->worker" || !record.contains("frame") || record["id"] != "wF") continue;
        const std::string type = record["frame"].value("type", "");
        if (type == "job_assigned") continue;  // from its second life on: only offers and refusals
        for (const auto& word : frame(record["frame"].dump())) {
            claims += word.rfind("claim ", 0) == 0;
            statuses += word.rfind("status ", 0) == 0;
        }
    }
    EXPECT_EQ(claims, 1);
    EXPECT_EQ(statuses, 0);
}

TEST_F(SessionTest, TheRecordedRefusalOfATokenIsRecognised) {
    std::ifstream file(std::string(EMPROPS_FIXTURES) + "/hub/s07_wrong_token.jsonl");
    ASSERT_TRUE(file);
    std::string line;
    int refused = 0;
    while (std::getline(file, line)) {
        const auto record = ipc::Json::parse(line);
        if (record["dir"] != "hub->worker" || !record.contains("frame") ||
            record["frame"].value("type", "") != "error")
            continue;
        struct Fresh : SessionTest {
            void TestBody() override {}
            Words play(const std::string& text) {
                session().start(now);
                run();
                session().on_connected(now);
                run();
                frame(text);
                return disconnect("1000");
            }
        } fresh;
        EXPECT_THAT(fresh.play(record["frame"].dump()), ElementsAre("auth refused leave"));
        ++refused;
    }
    EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace emprops::hub
