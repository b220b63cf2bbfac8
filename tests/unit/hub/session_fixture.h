#pragma once
// A Session with a desk that counts slots, a clock that the test moves, and a short word for each action, so
// that a test compares lists of words.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "supervisor/hub/session.h"

namespace emprops::hub {

using Words = std::vector<std::string>;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

struct CountingDesk : JobDesk {
    jobs::Capacity now_free;
    std::map<std::string, std::string> reserved;  // job id -> type

    void offer_types(const std::map<std::string, int>& slots) {
        now_free.job_types.clear();
        now_free.free_slots.clear();
        for (const auto& [type, count] : slots) {
            now_free.job_types.push_back(type);
            if (count > 0) now_free.free_slots[type] = count;
        }
    }
    bool reserve(TimePoint, const std::string& job_id, const std::string& job_type) override {
        const auto slot = now_free.free_slots.find(job_type);
        if (slot == now_free.free_slots.end() || now_free.draining) return false;
        if (--slot->second == 0) now_free.free_slots.erase(slot);
        reserved[job_id] = job_type;
        return true;
    }
    void release(TimePoint, const std::string& job_id) override {
        const auto job = reserved.find(job_id);
        ASSERT_NE(job, reserved.end()) << "released twice: " << job_id;
        ++now_free.free_slots[job->second];
        reserved.erase(job);
    }
    jobs::Capacity capacity() const override { return now_free; }
};

inline std::string list(const ipc::Json& types) {
    std::string text = "[";
    for (const auto& type : types)
        text += (text.size() > 1 ? "," : "") + type.get<std::string>();
    return text + "]";
}

/// "claim j1", "register [sim] busy", "keepalive j1", ...
inline std::string word_of_frame(const std::string& text) {
    const auto frame = ipc::Json::parse(text);
    const std::string type = frame.at("type");
    const std::string job = frame.value("job_id", "");
    const auto status = [&] {
        return frame.at("status").is_null() ? "null" : frame.at("status").get<std::string>();
    };
    if (type == "register_worker")
        return "register " + list(frame.at("capabilities").at("supported_job_types")) + " " + status();
    if (type == "worker_heartbeat") return "heartbeat " + status();
    if (type == "worker_status")
        return (frame.contains("connector_statuses") ? "full status " : "status ") + status();
    if (type == "claim_job") return "claim " + job;
    if (type == "update_job_progress") {
        if (frame.at("status") == "heartbeat") return "keepalive " + job;
        return "progress " + job + " " + std::to_string(frame.at("progress").get<int>());
    }
    if (type == "complete_job") return "complete " + job;
    if (type == "fail_job") return "fail " + job + " " + frame.at("error_code").get<std::string>();
    if (type == "request_job_status") return "ask " + job;
    return type + (job.empty() ? "" : " " + job);
}

inline std::string word_of(const Action& action) {
    const auto id = [](const auto& about) { return about.job_id + "#" + std::to_string(about.number); };
    if (auto* a = std::get_if<Connect>(&action)) return "connect " + a->worker_id;
    if (auto* a = std::get_if<Send>(&action)) return word_of_frame(a->text);
    if (std::holds_alternative<Disconnect>(action)) return "disconnect";
    if (std::holds_alternative<OpenWatch>(action)) return "open watch";
    if (auto* a = std::get_if<SendWatch>(&action)) return word_of_frame(a->text);
    if (std::holds_alternative<CloseWatch>(action)) return "close watch";
    if (auto* a = std::get_if<OpenBulk>(&action)) return "open bulk " + a->worker_id;
    if (auto* a = std::get_if<SendBulk>(&action)) return "bulk " + word_of_frame(a->text);
    if (std::holds_alternative<CloseBulk>(action)) return "close bulk";
    if (auto* a = std::get_if<Assigned>(&action)) return "assigned " + id(a->assignment);
    if (auto* a = std::get_if<Readopted>(&action)) return "readopted " + id(*a);
    if (auto* a = std::get_if<JobConfirmed>(&action)) return "confirmed " + id(*a);
    if (auto* a = std::get_if<JobCancelled>(&action)) return "cancelled " + id(*a);
    if (auto* a = std::get_if<JobWithdrawn>(&action)) return "withdrawn " + id(*a) + " " + a->reason;
    if (auto* a = std::get_if<Delivered>(&action)) return "delivered " + id(*a);
    if (auto* a = std::get_if<NotDelivered>(&action)) return "not delivered " + id(*a) + " " + a->reason;
    if (auto* a = std::get_if<AuthRefused>(&action))
        return std::string("auth refused") + (a->first_connection ? " first" : "") +
               (a->leave ? " leave" : "");
    return "note";
}

class SessionTest : public testing::Test {
  protected:
    SessionTest() {
        settings.id_base = "w";
        desk.offer_types({{"sim", 1}});
    }

    Session& session() {
        if (!session_) {
            Sources sources;
            sources.wall_seconds = [] { return 1000.5; };
            sources.random_unit = [] { return 0.5; };
            sources.random_id = [this] { return std::to_string(++ids_); };
            sources.queued_bytes = queued_bytes;
            sources.bulk_queued_bytes = bulk_queued_bytes;
            session_ = std::make_unique<Session>(settings, desk, sources);
        }
        return *session_;
    }

    /// The words of everything to be done now, notes left out.
    Words run() {
        Words words;
        for (auto& action : session().take_actions(now)) {
            if (auto* a = std::get_if<Note>(&action)) {
                notes.push_back(std::string(to_string(a->level)) + ": " + a->text);
                continue;
            }
            if (auto* a = std::get_if<Send>(&action)) frames.push_back(a->text);
            if (auto* a = std::get_if<Connect>(&action)) last_connect = *a;
            if (auto* a = std::get_if<Assigned>(&action)) {
                numbers[a->assignment.job_id] = a->assignment.number;
                desk.reserved.erase(a->assignment.job_id);
                last_payload = a->assignment.payload.text;
            }
            words.push_back(word_of(action));
        }
        return words;
    }

    Words frame(const std::string& text) {
        session().on_frame(now, text);
        return run();
    }
    Words watch(const std::string& text) {
        session().on_watch_frame(now, text);
        return run();
    }
    /// Lets time pass in the steps that the session asks for; returns what was done.
    Words pass(Ms duration) {
        Words all;
        const TimePoint end = now + duration;
        for (int steps = 0;; ++steps) {
            EXPECT_LT(steps, 5000) << "the session keeps waking itself up";
            if (steps >= 5000) break;
            const auto at = session().next_wakeup();
            if (!at || *at > end) break;
            now = std::max(now, *at);
            session().on_time(now);
            for (auto& word : run())
                all.push_back(word);
        }
        now = end;
        return all;
    }

    static std::string welcome() { return R"({"type":"connection_established","message":"hi"})"; }
    static std::string offer(const std::string& job, const std::string& type = "sim") {
        return R"({"type":"job_available","job_id":")" + job + R"(","job_type":")" + type +
               R"(","priority":0,"job_request_payload":{"big":"unused"},"timestamp":1.5})";
    }
    static std::string assigned(const std::string& job, const std::string& type = "sim") {
        return R"({"type":"job_assigned","job_id":")" + job + R"(","worker_id":"w-1","job_type":")" + type +
               R"(","priority":3,"params":{"b":1.10,"s":18446744073709551616},"timestamp":1.5})";
    }
    static std::string error(const std::string& text) {
        return R"({"type":"error","error":")" + text + R"(","details":null,"timestamp":1.5})";
    }
    static std::string ack(const std::string& type, const std::string& job) {
        return R"({"type":")" + type + R"(","job_id":")" + job + R"(","worker_id":"w-1","timestamp":1.5})";
    }
    static std::string job_status(const std::string& job, const std::string& status,
                                  const std::string& worker) {
        return R"({"type":"response_job_status","job_id":")" + job + R"(","status":")" + status +
               R"(","worker_id":)" + (worker.empty() ? "null" : "\"" + worker + "\"") +
               R"(,"result":null,"message":null})";
    }

    Words connect() {
        if (!started_) {
            session().start(now);
            started_ = true;
            run();
        }
        session().on_connected(now);
        Words words = run();
        for (auto& word : frame(welcome()))
            words.push_back(word);
        return words;
    }
    Words disconnect(const std::string& reason = "cut") {
        session().on_disconnected(now, reason);
        return run();
    }
    /// Offer, claim, assignment.
    void get_job(const std::string& job, const std::string& type = "sim") {
        frame(offer(job, type));
        frame(assigned(job, type));
        ASSERT_EQ(numbers.count(job), 1u) << job << " was not assigned";
    }
    jobs::Outcome completed(const std::string& job, const std::string& result = R"({"ok":1})") {
        return {job, numbers[job], jobs::Completed{ipc::RawJson{result}}};
    }
    jobs::Outcome failed(const std::string& job, const std::string& code = "service_error") {
        ipc::JobError error;
        error.code = code;
        error.message = "the\nservice said no";
        return {job, numbers[job], jobs::Failed{error}};
    }
    /// The job ends here: its slot is free and its outcome goes to the session.
    Words end_job(const jobs::Outcome& outcome, const std::string& type = "sim") {
        ++desk.now_free.free_slots[type];
        session().deliver(now, outcome);
        return run();
    }
    Words open_watch() {
        session().on_watch_connected(now);
        Words words = run();
        for (auto& word : watch(welcome()))
            words.push_back(word);
        return words;
    }

    SessionSettings settings;
    std::function<std::size_t()> queued_bytes;       ///< before the first use of session()
    std::function<std::size_t()> bulk_queued_bytes;  ///< likewise
    CountingDesk desk;
    TimePoint now = TimePoint{} + std::chrono::hours(1);
    Words frames;
    Words notes;
    std::map<std::string, std::uint64_t> numbers;
    std::string last_payload;
    Connect last_connect;

  private:
    std::unique_ptr<Session> session_;
    int ids_ = 0;
    bool started_ = false;
};

}  // namespace emprops::hub
