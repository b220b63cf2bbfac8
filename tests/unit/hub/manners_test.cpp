// Bad manners of a hub: whatever it sends, the link lives, no slot leaks, and the next job runs.

#include <random>

#include "session_fixture.h"

namespace emprops::hub {
namespace {

struct Rudeness {
    const char* name;
    std::vector<std::string> frames;
};

std::string chunk(int id, int total, const std::string& hash, const std::string& content) {
    return R"({"type":"chunked_message","chunk_id":)" + std::to_string(id) + R"(,"total_chunks":)" +
           std::to_string(total) + R"(,"message_id":"m","message_hash":")" + hash +
           R"(","original_type":"job_assigned","job_id":"j9","content":)" + ipc::Json(content).dump() + "}";
}

struct Manners : SessionTest {
    static std::vector<Rudeness> all() {
        return {
            {"unknown messages", {R"({"type":"x"})", R"({"type":"shutdown","now":true})"}},
            {"wrong types",
             {R"({"type":7})", R"({"type":"job_available","job_id":{},"job_type":[]})",
              R"({"type":"error","error":5})", R"({"type":"job_completed_ack","job_id":3})"}},
            {"half JSON", {"{", R"({"type":"job_assigned","job_id":"j)", "nul", ""}},
            {"no object", {"[]", "5", "\"x\"", "null"}},
            {"not UTF-8", {"{\"type\":\"\xff\xfe\"}", "\xff"}},
            {"offer of a job that runs", {offer("busy")}},
            {"the same assignment twice", {assigned("busy"), assigned("busy")}},
            {"assignment never claimed", {assigned("never")}},
            {"assignment of an unknown type", {assigned("never", "nobody-has-this")}},
            {"assignment without a payload object",
             {R"({"type":"job_assigned","job_id":"never","job_type":"sim","params":"text"})"}},
            {"errors without ids",
             {error(""), error("Failed to claim job "), error("Invalid message format")}},
            {"errors about jobs unknown",
             {error("Failed to claim job nobody"), error("Failed to mark job x as failed"),
              error("Cannot claim job busy: Worker w-1 is not idle")}},
            {"acks never asked for", {ack("job_completed_ack", "busy"), ack("job_failed_ack", "x")}},
            {"silence after a claim", {offer("silent")}},
            {"a refused token long after the welcome", {error("Authentication failed: Invalid token")}},
            {"status of a job nobody asked for", {job_status("busy", "cancelled", "x")}},
            {"cancel of an unknown job", {R"({"type":"cancel_job","job_id":"nobody"})"}},
            {"chunks never completed", {chunk(0, 5, "h", "x"), chunk(3, 5, "h", "x")}},
            {"chunks with a wrong hash", {chunk(0, 1, "00000000000000000000000000000000", assigned("j9"))}},
            {"a chunk inside a chunk", {chunk(0, 1, "", chunk(0, 1, "", "{}"))}},
            {"chunks that count beyond sense", {chunk(0, 2147483647, "h", "x"), chunk(5, 3, "h", "x")}},
            {"a welcome again and again", {welcome(), welcome(), welcome()}},
            {"a huge frame of nothing",
             {std::string(5 << 20, ' '), "{\"type\":\"" + std::string(1 << 20, 'x') + "\"}"}},
        };
    }
};

TEST_F(Manners, NoneKillsTheLinkOrLeaksASlot) {
    for (const Rudeness& rudeness : all()) {
        SCOPED_TRACE(rudeness.name);
        struct Fresh : SessionTest {
            void TestBody() override {}
            void play(const Rudeness& rudeness) {
                desk.offer_types({{"sim", 2}});
                connect();
                get_job("busy");
                for (const auto& text : rudeness.frames)
                    EXPECT_THAT(frame(text), Not(Contains("disconnect")));
                pass(Ms(11'000));  // a claim without an answer is over
                if (numbers.count("never") != 0) end_job(completed("never"));
                EXPECT_THAT(desk.reserved, IsEmpty());
                EXPECT_EQ(desk.now_free.free_slots["sim"], 1);
                Words words = end_job(completed("busy"));
                for (auto& word : pass(Ms(250)))  // the question before it is not answered
                    words.push_back(word);
                EXPECT_THAT(words, Contains("complete busy"));
                get_job("next");
                EXPECT_THAT(end_job(completed("next")), Contains("complete next"));
            }
        } fresh;
        fresh.play(rudeness);
    }
}

TEST_F(Manners, AClockThatJumpsCausesNoBurst) {
    connect();
    get_job("j1");
    now += std::chrono::hours(24);
    session().on_time(now);
    EXPECT_THAT(run(), testing::UnorderedElementsAre("keepalive j1", "heartbeat busy", "open watch"));
    EXPECT_THAT(run(), IsEmpty());
}

/// A message whose payload nests deeper than what is read.
std::string too_deep(const std::string& type, const std::string& job, const std::string& payload_key) {
    return R"({"type":")" + type + R"(","timestamp":1.5,"job_id":")" + job +
           R"(","job_type":"sim","priority":0,")" + payload_key + R"(":{"a":)" + std::string(300, '[') +
           std::string(300, ']') + "}}";
}

TEST_F(Manners, AnOfferThatCannotBeReadIsClaimedAndFailedSoThatItIsNotOfferedForEver) {
    connect();
    EXPECT_THAT(frame(too_deep("job_available", "deep", "job_request_payload")), ElementsAre("claim deep"));
    EXPECT_THAT(desk.reserved, IsEmpty());
    EXPECT_THAT(frame(too_deep("job_assigned", "deep", "params")),
                ElementsAre("fail deep invalid_payload", "status idle"));
    EXPECT_THAT(ipc::Json::parse(frames.at(frames.size() - 2))["error"].get<std::string>(),
                testing::HasSubstr("cannot be read"));
    get_job("next");
}

TEST_F(Manners, AnOfferThatCannotBeReadAndIsRefusedLeavesNothingBehind) {
    connect();
    frame(too_deep("job_available", "deep", "job_request_payload"));
    frame(error("Failed to claim job deep"));
    EXPECT_THAT(frame(too_deep("job_available", "deep", "job_request_payload")), IsEmpty());
    get_job("next");
}

TEST_F(Manners, AChunkedAssignmentThatCannotBeReadFailsItsJob) {
    connect();
    frame(offer("j9"));
    EXPECT_THAT(frame(chunk(0, 1, "", too_deep("job_assigned", "j9", "params"))),
                ElementsAre("fail j9 invalid_payload", "status idle"));
    EXPECT_THAT(desk.reserved, IsEmpty());
    frame(offer("j9"));
    EXPECT_THAT(frame(chunk(0, 1, "", R"({"params":)" + std::string(200, '['))),
                ElementsAre("fail j9 invalid_payload", "status idle"))
        << "the chunk names the job when its content does not";
}

TEST_F(Manners, AnUnclaimedAssignmentIsTakenWhenASlotIsFree) {
    connect();
    EXPECT_THAT(frame(assigned("j1")), ElementsAre("progress j1 0", "assigned j1#1", "status busy"));
    EXPECT_EQ(last_payload, R"({"b":1.10,"s":18446744073709551616})");
}

TEST_F(Manners, RandomConversationsNeverLeakASlotOrRunAJobTwice) {
    for (unsigned seed = 0; seed < 25; ++seed) {
        SCOPED_TRACE(seed);
        struct Fresh : SessionTest {
            void TestBody() override {}
            void play(unsigned seed) {
                std::mt19937 random(seed);
                const auto pick = [&](int n) {
                    return static_cast<int>(random() % static_cast<unsigned>(n));
                };
                desk.offer_types({{"a", 2}, {"b", 1}});
                const std::map<std::string, int> slots = desk.now_free.free_slots;
                std::map<std::string, std::string> held;  // job -> type: slots the dispatcher holds
                const auto take = [&](const Words& words) {
                    for (const auto& word : words) {
                        if (word.rfind("assigned ", 0) == 0) {
                            const std::string job = word.substr(9, word.find('#') - 9);
                            EXPECT_EQ(held.count(job), 0u) << "runs twice: " << job;
                            held[job] = job.substr(0, 1);
                        }
                        if (word.rfind("cancelled ", 0) == 0 || word.rfind("withdrawn ", 0) == 0) {
                            const std::string job = word.substr(10, word.find('#') - 10);
                            ++desk.now_free.free_slots[held.at(job)];
                            held.erase(job);
                        }
                    }
                };
                connect();
                const char* statuses[] = {"claimed", "pending",   "completed",
                                          "failed",  "cancelled", "processing"};
                for (int step = 0; step < 300; ++step) {
                    const std::string job = std::string(pick(2) ? "a" : "b") + std::to_string(pick(6));
                    const std::string type = job.substr(0, 1);
                    switch (pick(12)) {
                        case 0:
                        case 1:
                            take(frame(offer(job, type)));
                            break;
                        case 2:
                        case 3:
                            take(frame(assigned(job, type)));
                            break;
                        case 4:
                            take(frame(error("Failed to claim job " + job)));
                            break;
                        case 5:
                            take(frame(error("Cannot claim job " + job + ": Worker w is not idle")));
                            break;
                        case 6:
                            take(frame(ack(pick(2) ? "job_completed_ack" : "job_failed_ack", job)));
                            break;
                        case 7:
                            take(pass(Ms(pick(8000))));
                            break;
                        case 8:
                            take(open_watch());
                            break;
                        case 9:
                            take(watch(job_status(job, statuses[pick(6)], pick(2) ? "w-1" : "other")));
                            break;
                        case 10:
                            if (!held.empty()) {
                                const auto ended =
                                    *std::next(held.begin(), pick(static_cast<int>(held.size())));
                                held.erase(ended.first);
                                take(end_job(pick(2) ? completed(ended.first) : failed(ended.first),
                                             ended.second));
                            }
                            break;
                        case 11:
                            if (pick(4) == 0) {
                                take(disconnect());
                                take(connect());
                            }
                            break;
                    }
                }
                take(disconnect());
                EXPECT_THAT(desk.reserved, IsEmpty());
                std::map<std::string, int> free = desk.now_free.free_slots;
                for (const auto& [job, type] : held)
                    ++free[type];
                EXPECT_EQ(free, slots);
            }
        } fresh;
        fresh.play(seed);
    }
}

}  // namespace
}  // namespace emprops::hub
