#pragma once
// A Session with a desk that counts slots, a clock that the test moves, and a short word for each action, so
// that a test compares lists of words.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "supervisor/hub/session.h"
#include "words.h"

namespace emprops::hub {

/// The worker's side: reserves places for claims.
struct CountingDesk {
    jobs::Capacity now_free;
    bool outcome_coming = false;
    std::map<std::string, std::string> reserved;  // job id -> type

    void offer_types(const std::map<std::string, int>& slots) {
        now_free.job_types.clear();
        now_free.free_slots.clear();
        for (const auto& [type, count] : slots) {
            now_free.job_types.push_back(type);
            if (count > 0) now_free.free_slots[type] = count;
        }
    }
    jobs::Place reserve(const std::string& job_id, const std::string& job_type) {
        if (now_free.draining) return jobs::Place::none;
        const auto slot = now_free.free_slots.find(job_type);
        const bool ahead = slot == now_free.free_slots.end();
        if (ahead && now_free.ahead.erase(job_type) == 0) return jobs::Place::none;
        if (!ahead && --slot->second == 0) now_free.free_slots.erase(slot);
        reserved[job_id] = job_type;
        return ahead ? jobs::Place::ahead : jobs::Place::slot;
    }
    void release(const std::string& job_id) {
        const auto job = reserved.find(job_id);
        ASSERT_NE(job, reserved.end()) << "released twice: " << job_id;
        ++now_free.free_slots[job->second];
        reserved.erase(job);
    }
    jobs::Room room() const { return {std::make_shared<const jobs::Capacity>(now_free), outcome_coming}; }
};

class SessionTest : public testing::Test {
  protected:
    std::optional<bool> takes_back;  ///< what the session has said of the Hub
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
            session_ = std::make_unique<Session>(settings, sources);
        }
        return *session_;
    }

    /// The words of everything to be done now, notes left out.
    Words run() {
        Words words;
        perform(words);
        session().advance(now, desk.room());
        perform(words);
        return words;
    }
    /// What the inputs led to; wishes for a place are answered at once.
    void perform(Words& words) {
        for (Actions actions = session().take_actions(); !actions.empty(); actions = session().take_actions())
            for (auto& action : actions)
                perform(words, action);
    }
    void perform(Words& words, Action& action) {
        if (auto* a = std::get_if<PlaceWanted>(&action))
            return session().place(now, a->job_id, desk.reserve(a->job_id, a->job_type));
        if (auto* a = std::get_if<TakesBack>(&action)) {
            takes_back = a->for_nothing;
            return;
        }
        if (auto* a = std::get_if<PlaceReleased>(&action)) return desk.release(a->job_id);
        if (auto* a = std::get_if<Note>(&action)) {
            notes.push_back(std::string(to_string(a->level)) + ": " + a->text);
            return;
        }
        if (auto* a = std::get_if<Send>(&action)) {
            frames.push_back(a->text);
            urgent.push_back(a->urgent);
        }
        if (auto* a = std::get_if<Connect>(&action)) last_connect = *a;
        if (auto* a = std::get_if<JobCancelled>(&action)) last_cancel = a->reason;
        if (auto* a = std::get_if<Assigned>(&action)) {
            numbers[a->assignment.job_id] = a->assignment.number;
            desk.reserved.erase(a->assignment.job_id);
            last_payload = a->assignment.payload.text();
        }
        words.push_back(word_of(action));
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
        session().on_watch_connected();
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
    std::vector<bool> urgent;  ///< of each frame: it may overtake
    Words notes;
    std::map<std::string, std::uint64_t> numbers;
    std::string last_payload;
    Connect last_connect;
    std::string last_cancel;  ///< the reason

  private:
    std::unique_ptr<Session> session_;
    int ids_ = 0;
    bool started_ = false;
};

}  // namespace emprops::hub
