// The local hub with real sockets: the sequence that was recorded with the EmProps Redis Hub, restarts, large
// payloads, tokens, REST, and peers that misbehave.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "ipc/web/digest.h"
#include "tests/support/hub_client.h"
#include "tests/support/running_hub.h"
#include "tests/support/temp_dir.h"

namespace emprops::test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

Json claim(const std::string& job_id) {
    return {{"type", "claim_job"}, {"worker_id", "w"}, {"job_id", job_id}, {"claim_timeout", 30}};
}

Json complete(const std::string& job_id, const Json& result) {
    return {{"type", "complete_job"}, {"worker_id", "w"}, {"job_id", job_id}, {"result", result}};
}

Json submit(const std::string& type, const Json& payload, const std::string& id = {}) {
    Json message{{"type", "submit_job"}, {"job_type", type}, {"priority", 0}, {"payload", payload}};
    if (!id.empty()) message["message_id"] = id;
    return message;
}

class LocalHubTest : public testing::Test {
  protected:
    config::LocalHubSettings settings() const {
        config::LocalHubSettings settings;
        settings.port = 0;
        settings.database = folder_ / "hub.sqlite";
        return settings;
    }

    TempDir folder_;
};

/// Plays the recorded peers against our hub and compares what the hub says.
class Replay {
  public:
    explicit Replay(std::uint16_t port) : port_(port) {}

    void step(const Json& line) {
        const auto dir = line["dir"].get<std::string>();
        const auto id = line.value("id", "");
        if (line.value("event", "") == "open") {
            const auto role = dir == "worker->hub" ? HubRole::worker : HubRole::client;
            peers_.emplace(dir.substr(0, dir.find('-')), HubClient(port_, role, id));
        } else if (dir == "worker->hub" || dir == "client->hub") {
            if (!line.contains("frame")) return;
            peers_.at(dir.substr(0, dir.find('-'))).send(renamed(line["frame"]));
        } else if (dir == "hub->worker" || dir == "hub->client") {
            if (!line.contains("frame")) return;
            compare(peers_.at(dir.substr(5)).receive([](const Json&) { return true; }), line["frame"]);
        } else if (dir == "rest->hub") {
            const auto path = renamed(line["path"]).get<std::string>();
            answer_ = http_get(port_, path).json();
        } else if (dir == "hub->rest") {
            compare(answer_, line["frame"]);
        }
    }

    int compared() const { return compared_; }

  private:
    /// Our hub made another job id than the recorded one.
    Json renamed(const Json& frame) const {
        auto text = frame.dump();
        for (auto at = text.find(theirs_); !theirs_.empty() && at != std::string::npos;
             at = text.find(theirs_, at)) {
            text.replace(at, theirs_.size(), ours_);
            at += ours_.size();
        }
        return Json::parse(text);
    }

    void compare(Json ours, const Json& recorded) {
        ++compared_;
        if (recorded.value("type", "") == "job_accepted") {
            theirs_ = recorded["job_id"];
            ours_ = ours["job_id"];
        }
        auto theirs = renamed(recorded);
        for (const auto* key : {"timestamp", "created_at", "claimed_at", "completed_at", "started_at"}) {
            EXPECT_EQ(ours.contains(key), theirs.contains(key)) << key << " in " << ours << "\n" << theirs;
            ours.erase(key);
            theirs.erase(key);
        }
        for (const auto* key : {"priority", "attempts"}) {  // what our REST answer tells beyond the Hub's
            if (!theirs.contains(key)) ours.erase(key);
        }
        // What a worker is told beyond it, ipc/hub/PROTOCOL.md 11.7.
        if (ours.value("type", "") == "connection_established") ours.erase("takes_jobs_back");
        EXPECT_EQ(ours, theirs);
    }

    std::uint16_t port_;
    std::map<std::string, HubClient> peers_;
    std::string theirs_, ours_;
    Json answer_;
    int compared_ = 0;
};

TEST_F(LocalHubTest, SaysWhatTheRecordedHubSaysForAJobThatSucceeds) {
    RunningHub hub(settings());
    Replay replay(hub.port());
    std::ifstream recording(EMPROPS_FIXTURES "/local_hub/s02_sim_success.jsonl");
    std::string line;
    while (std::getline(recording, line)) {
        const auto entry = Json::parse(line);
        if (entry.value("note", "").starts_with("end of scenario")) break;
        replay.step(entry);
    }
    EXPECT_GE(replay.compared(), 24);
}

TEST_F(LocalHubTest, ARestartLosesNothing) {
    auto hub = std::make_unique<RunningHub>(settings());
    HubClient client(hub->port(), HubRole::client, "c");
    auto worker = HubClient::worker(hub->port(), "w1", {"sim"});
    client.send(submit("sim", {{"n", 1}}, "running"));
    worker.receive("job_available", "running");
    worker.send(claim("running"));
    worker.receive("job_assigned", "running");
    client.send(submit("sim", {{"n", 2}}, "waiting"));
    client.receive("job_accepted", "waiting");
    hub->stop();
    EXPECT_EQ(worker.wait_closed().code, 1012);

    hub = std::make_unique<RunningHub>(settings());
    HubClient again(hub->port(), HubRole::client, "c");
    again.send({{"type", "request_job_status"}, {"job_id", "running"}});
    auto status = again.receive("response_job_status", "running");
    EXPECT_EQ(status["status"], "claimed");
    EXPECT_EQ(status["worker_id"], "w1");
    auto returned = HubClient::worker(hub->port(), "w2", {"sim"}, "busy");
    returned.send({{"type", "update_job_progress"}, {"job_id", "running"}, {"progress", 50}});
    EXPECT_EQ(again.receive("update_job_progress", "running")["progress"], 50);
    returned.send(complete("running", {{"ok", true}}));
    returned.receive("job_completed_ack", "running");
    returned.send({{"type", "worker_status"}, {"status", "idle"}});
    EXPECT_EQ(returned.receive("job_available", "waiting")["job_request_payload"], Json({{"n", 2}}));
}

TEST_F(LocalHubTest, APayloadOfFiveMegabytesArrivesInChunksByteForByte) {
    RunningHub hub(settings());
    std::string payload = R"({ "b":1.10,"a":1e5,"s":18446744073709551616,"text":")";
    while (payload.size() < 5'000'000)
        payload += "\xC3\xA4 \\\"quoted\\\" \xF0\x9F\x98\x80 ";
    payload += "\"}";
    auto worker = HubClient::worker(hub.port(), "w", {"sim"});
    HubClientOptions raw;
    raw.assemble_chunks = false;
    HubClient client(hub.port(), HubRole::client, "c");
    client.send_text(R"({"type":"submit_job","message_id":"big","job_type":"sim","payload":)" + payload +
                     "}");
    worker.receive("job_available", "big", 60s);
    const auto text = worker.last_text();
    const auto start = text.find("\"job_request_payload\":") + 22;
    EXPECT_EQ(md5_hex(text.substr(start, text.size() - start - 1)), md5_hex(payload));

    worker.close();  // leaves: the job is offered to the next
    auto next = HubClient::worker(hub.port(), "w2", {"sim"}, "idle", raw);
    std::string joined;
    Json chunk;
    do {
        chunk = next.receive("chunked_message", "big", 60s);
        EXPECT_EQ(chunk["original_type"], "job_available");
        joined += chunk["content"].get<std::string>();
    } while (chunk["chunk_id"] != chunk["total_chunks"].get<int>() - 1);
    EXPECT_GE(chunk["total_chunks"].get<int>(), 4);
    EXPECT_EQ(chunk["message_hash"], md5_hex(joined));
    EXPECT_THAT(joined, HasSubstr(payload));
}

TEST_F(LocalHubTest, ACancelReachesTheWorkerAndItsLateResultChangesNothing) {
    RunningHub hub(settings());
    HubClient client(hub.port(), HubRole::client, "c");
    auto worker = HubClient::worker(hub.port(), "w", {"sim"});
    client.send(submit("sim", Json::object(), "j"));
    worker.receive("job_available", "j");
    worker.send(claim("j"));
    worker.receive("job_assigned", "j");
    client.send({{"type", "cancel_job"}, {"job_id", "j"}, {"reason", "changed my mind"}});
    EXPECT_EQ(worker.receive("cancel_job", "j")["reason"], "changed my mind");
    const auto is_cancelled = [](const Json& m) { return m.value("status", "") == "cancelled"; };
    EXPECT_EQ(client.receive(is_cancelled)["message"], "Job cancelled: changed my mind");
    worker.send(complete("j", {{"too", "late"}}));
    worker.receive("job_completed_ack", "j");
    EXPECT_EQ(http_get(hub.port(), "/api/jobs/j").json()["status"], "cancelled");
}

TEST_F(LocalHubTest, AFailingJobIsTriedFourTimesByOneWorkerAndThenFailed) {
    RunningHub hub(settings());
    HubClient client(hub.port(), HubRole::client, "c");
    auto worker = HubClient::worker(hub.port(), "w", {"sim"});
    client.send(submit("sim", Json::object(), "j"));
    for (int attempt = 1; attempt <= 4; ++attempt) {
        worker.receive("job_available", "j");
        worker.send(claim("j"));
        worker.receive("job_assigned", "j");
        worker.send({{"type", "fail_job"}, {"job_id", "j"}, {"worker_id", "w"}, {"error", "[crashed] boom"}});
        EXPECT_EQ(worker.receive("job_failed_ack", "j")["error"], "[crashed] boom");
        const auto told = client.receive("fail_job", "j");
        EXPECT_EQ(told["attempts"], attempt);
        EXPECT_EQ(told["final"], attempt == 4);
        worker.send({{"type", "worker_status"}, {"status", "idle"}});
    }
    const auto job = http_get(hub.port(), "/api/jobs/j").json();
    EXPECT_EQ(job["status"], "failed");
    EXPECT_EQ(job["error"], "[crashed] boom");
}

TEST_F(LocalHubTest, AWrongTokenIsAnsweredAsTheHubDoes) {
    auto with_token = settings();
    with_token.token = "a b&c";
    RunningHub hub(with_token);
    for (const auto role : {HubRole::worker, HubRole::client, HubRole::monitor}) {
        for (const auto* token : {"", "wrong", "a b&cd"}) {
            HubClientOptions options;
            options.token = token;
            HubClient refused(hub.port(), role, "x", options);
            const auto answer = refused.receive([](const Json&) { return true; });
            EXPECT_EQ(answer, Json({{"type", "error"}, {"error", "Authentication failed: Invalid token"}}));
            const auto end = refused.wait_closed();
            EXPECT_EQ(end.code, 1000);
            EXPECT_EQ(end.reason, "");
        }
        HubClientOptions options;
        options.token = "a b&c";
        HubClient(hub.port(), role, "x", options).receive("connection_established");
    }
    EXPECT_EQ(http_get(hub.port(), "/").status, 401);
    EXPECT_EQ(http_get(hub.port(), "/?token=a%20b%26c").status, 200);
}

TEST_F(LocalHubTest, RestSubmitsWaitsAndShows) {
    RunningHub hub(settings());
    EXPECT_EQ(http_get(hub.port(), "/").json()["status"], "ok");
    EXPECT_EQ(http_get(hub.port(), "/nope").status, 404);
    EXPECT_EQ(http_get(hub.port(), "/api/jobs/none").status, 404);
    const auto post = [&](const Json& body) { return http_post(hub.port(), "/api/jobs", body.dump()); };
    EXPECT_EQ(post({{"job_type", "sim"}}).status, 422);
    EXPECT_EQ(post({{"job_type", "sim"}, {"payload", {1, 2}}}).status, 422);
    EXPECT_EQ(http_post(hub.port(), "/api/jobs", "{nonsense").status, 422);

    const Json first{{"job_type", "sim"}, {"payload", {{"a", 1}}}, {"job_id", "one"}};
    EXPECT_EQ(post(first).json()["job_id"], "one");
    EXPECT_EQ(post(first).status, 409);
    auto shown = http_get(hub.port(), "/api/jobs/one").json();
    EXPECT_EQ(shown["status"], "pending");
    EXPECT_EQ(shown["position_description"], "Next in queue");
    EXPECT_EQ(shown["payload"], Json({{"a", 1}}));

    const auto timed_out =
        post({{"job_type", "sim"}, {"payload", {{"a", 2}}}, {"wait", true}, {"timeout", 0.3}});
    EXPECT_EQ(timed_out.status, 200);
    EXPECT_THAT(timed_out.json()["error"].get<std::string>(), HasSubstr("Timeout"));

    auto waiting = std::async(std::launch::async, [&] {
        return post({{"job_type", "other"}, {"payload", Json::object()}, {"job_id", "two"}, {"wait", true}});
    });
    auto worker = HubClient::worker(hub.port(), "w", {"other"});
    worker.receive("job_available", "two");
    worker.send(claim("two"));
    worker.receive("job_assigned", "two");
    worker.send(complete("two", {{"answer", 42}}));
    shown = waiting.get().json();
    EXPECT_EQ(shown["status"], "completed");
    EXPECT_EQ(shown["result"], Json({{"answer", 42}}));
}

TEST_F(LocalHubTest, PagesOfOtherSitesAreRefused) {
    RunningHub hub(settings());
    const auto status = [&](const char* origin) {
        return websocket_handshake_status(hub.port(), "/ws/client/x", {{"Origin", origin}});
    };
    EXPECT_EQ(status("http://localhost:3000"), 101U);
    EXPECT_EQ(status("http://127.0.0.1"), 101U);
    EXPECT_EQ(status("https://evil.example"), 403U);
    EXPECT_EQ(status("http://localhost.evil.example"), 403U);
    EXPECT_EQ(status("null"), 403U);
    EXPECT_EQ(http_post(hub.port(), "/api/jobs", "{}", {{"Origin", "https://evil.example"}}).status, 403U);
    EXPECT_EQ(websocket_handshake_status(hub.port(), "/ws/client/x", {{"Host", "evil.example"}}), 403U);
    for (const auto* path : {"/ws/worker", "/ws/worker/", "/ws/nope/x", "/", "/ws/worker/a%2Fb"}) {
        EXPECT_EQ(websocket_handshake_status(hub.port(), path), 403U) << path;
    }
}

TEST_F(LocalHubTest, SaysWhyItCannotStart) {
    RunningHub hub(settings());
    auto second = settings();
    second.port = hub.port();
    second.database = folder_ / "second.sqlite";
    const auto failure = [](const config::LocalHubSettings& wanted) -> std::string {
        try {
            RunningHub never(wanted);
        } catch (const std::runtime_error& error) {
            return error.what();
        }
        return "it started";
    };
    EXPECT_THAT(failure(second), testing::StartsWith("address_in_use: 127.0.0.1:"));
    auto same_database = settings();
    EXPECT_THAT(failure(same_database), HasSubstr("another hub uses it"));
    auto nowhere = settings();
    nowhere.database = "/nonexistent/folder/hub.sqlite";
    EXPECT_THAT(failure(nowhere), testing::StartsWith("database_failed"));
    auto no_database = second;
    folder_.write_file("text.sqlite", std::string(4096, 'x'));
    no_database.database = folder_ / "text.sqlite";
    EXPECT_THAT(failure(no_database), HasSubstr("move the file away"));
    auto open_to_all = settings();
    open_to_all.database = folder_ / "third.sqlite";
    open_to_all.listen = "0.0.0.0";
    EXPECT_THAT(failure(open_to_all), testing::StartsWith("token_required"));
}

TEST_F(LocalHubTest, TheNewerOfTwoConnectionsWithOneIdTakesOver) {
    RunningHub hub(settings());
    HubClient client(hub.port(), HubRole::client, "c");
    auto older = HubClient::worker(hub.port(), "w", {"sim"});
    auto newer = HubClient::worker(hub.port(), "w", {"sim"});
    EXPECT_EQ(older.wait_closed().code, 1000);
    client.send(submit("sim", Json::object(), "j"));
    newer.receive("job_available", "j");
    newer.send({{"type", "worker_heartbeat"}, {"worker_id", "w"}, {"status", "busy"}});
    newer.receive("worker_heartbeat_ack");
    EXPECT_FALSE(newer.closed());
}

TEST_F(LocalHubTest, AWorkerThatLeavesGivesItsJobToTheNextAtOnce) {
    RunningHub hub(settings());
    HubClient client(hub.port(), HubRole::client, "c");
    auto leaving = HubClient::worker(hub.port(), "w1", {"sim"});
    client.send(submit("sim", Json::object(), "j"));
    leaving.receive("job_available", "j");
    leaving.send(claim("j"));
    leaving.receive("job_assigned", "j");
    auto next = HubClient::worker(hub.port(), "w2", {"sim"});
    leaving.close(1001, "going away");
    next.receive("job_available", "j");
    EXPECT_EQ(http_get(hub.port(), "/api/jobs/j").json()["attempts"], 0);
}

TEST_F(LocalHubTest, MessagesThatBreakTheRulesEndOnlyTheirOwnConnection) {
    auto small = settings();
    small.max_message_bytes = 100'000;
    RunningHub hub(small);
    auto binary = HubClient::worker(hub.port(), "binary", {"sim"});
    auto huge = HubClient::worker(hub.port(), "huge", {"sim"});
    auto fine = HubClient::worker(hub.port(), "fine", {"sim"});
    binary.send_binary("{}");
    EXPECT_EQ(binary.wait_closed().reason, "Worker binary disconnected");
    huge.send({{"type", "complete_job"}, {"job_id", "x"}, {"result", {{"data", std::string(200'000, 'x')}}}});
    EXPECT_EQ(huge.wait_closed().code, 1009) << huge.wait_closed().reason;
    EXPECT_EQ(http_post(hub.port(), "/api/jobs", std::string(200'000, ' ')).status, 413U);
    for (const auto* rubbish : {"{", "[]", "{}", R"({"type":5})", R"({"type":"cancel_job"})"}) {
        fine.send_text(rubbish);
        fine.receive("error");
    }
    fine.send({{"type", "worker_heartbeat"}, {"status", "idle"}});
    fine.receive("worker_heartbeat_ack");
}

TEST_F(LocalHubTest, MonitorsSeeWorkersJobsAndStatistics) {
    RunningHub hub(settings());
    HubClient monitor(hub.port(), HubRole::monitor, "m");
    monitor.receive("connection_established");
    monitor.receive("stats_broadcast");
    EXPECT_EQ(monitor.receive("ack")["original_type"], "stats_broadcast");
    auto worker = HubClient::worker(hub.port(), "w", {"sim"});
    HubClient client(hub.port(), HubRole::client, "c");
    worker.send({{"type", "connector_ws_status"}, {"connector_type", "comfyui"}, {"connected", true}});
    EXPECT_EQ(monitor.receive("connector_ws_status")["connected"], true);
    worker.send({{"type", "worker_status"},
                 {"status", "idle"},
                 {"connector_statuses", {{"comfyui", {{"connected", true}}}}}});
    EXPECT_EQ(monitor.receive("worker_status")["connector_statuses"]["comfyui"]["connected"], true);
    client.send(submit("sim", Json::object(), "j"));
    worker.receive("job_available", "j");
    worker.send(claim("j"));
    EXPECT_EQ(monitor.receive("response_job_status", "j")["client_id"], "c");
    worker.send({{"type", "update_job_progress"}, {"job_id", "j"}, {"progress", 10}});
    EXPECT_EQ(monitor.receive("update_job_progress", "j")["progress"], 10);
    worker.send(complete("j", {{"ok", 1}}));
    EXPECT_EQ(monitor.receive("complete_job", "j")["result"], Json({{"ok", 1}}));
    const auto counted = [](const Json& m) {
        return m.value("type", "") == "stats_broadcast" &&
               m["system"]["jobs"]["status"].value("completed", 0) == 1;
    };
    const auto stats = monitor.receive(counted);
    EXPECT_EQ(stats["workers"]["w"]["supported_job_types"], Json::array({"sim"}));
}

}  // namespace
}  // namespace emprops::test
