#pragma once
// Short words for what the machines of the session say, so that a test compares lists of words; and what one
// of them needs to be tested alone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "supervisor/hub/session_settings.h"
#include "supervisor/hub/wire.h"

namespace emprops::hub {

using Words = std::vector<std::string>;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

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
    if (auto* a = std::get_if<PlaceWanted>(&action)) return "place? " + a->job_id + " " + a->job_type;
    if (auto* a = std::get_if<PlaceReleased>(&action)) return "release " + a->job_id;
    if (auto* a = std::get_if<Assigned>(&action)) return "assigned " + id(a->assignment);
    if (auto* a = std::get_if<ReturnWanted>(&action)) return "return? " + id(*a);
    if (auto* a = std::get_if<Readopted>(&action)) return "readopted " + id(*a);
    if (auto* a = std::get_if<JobConfirmed>(&action)) return "confirmed " + id(*a);
    if (auto* a = std::get_if<JobCancelled>(&action)) return "cancelled " + id(*a);
    if (auto* a = std::get_if<JobWithdrawn>(&action)) return "withdrawn " + id(*a) + " " + a->reason;
    if (auto* a = std::get_if<Delivered>(&action)) return "delivered " + id(*a);
    if (auto* a = std::get_if<NotDelivered>(&action)) return "not delivered " + id(*a) + " " + a->reason;
    if (auto* a = std::get_if<AuthRefused>(&action))
        return std::string("auth refused") + (a->leave ? " leave" : "");
    return "note";
}

/// A wire, settings and a clock that the test moves.
class MachineTest : public testing::Test {
  protected:
    MachineTest() {
        settings.id_base = "w";
        wire.set_worker_id("w-1");
    }
    /// A connection that the Hub has welcomed.
    void usable(bool yes = true) { wire.set_usable(yes); }
    /// What was said since the last call; notes are kept apart.
    Words said() {
        Words words;
        for (auto& action : wire.take()) {
            if (auto* note = std::get_if<Note>(&action)) {
                notes.push_back(std::string(to_string(note->level)) + ": " + note->text);
            } else {
                words.push_back(word_of(action));
            }
            if (auto* send = std::get_if<Send>(&action)) last_frame = send->text;
            if (auto* connect = std::get_if<Connect>(&action)) last_pause = connect->after;
        }
        return words;
    }

    SessionSettings settings;
    std::size_t queued = 0;
    std::size_t bulk_queued = 0;
    int ids = 0;
    Wire wire{{[] { return 1000.5; }, [] { return 0.5; }, [this] { return std::to_string(++ids); },
               [this] { return queued; }, [this] { return bulk_queued; }},
              std::size_t{1} << 20};
    const TimePoint start = TimePoint{} + std::chrono::hours(1);
    TimePoint now = start;
    Words notes;
    std::string last_frame;
    Ms last_pause{0};
};

}  // namespace emprops::hub
