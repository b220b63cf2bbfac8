#pragma once
// The state machine in simulated time, with a ComfyUI made of a few flags.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/comfyui/run/run.h"

namespace emprops::comfyui::simulated {

inline const Json good_entry = Json::parse(
    R"({"outputs":{"2":{"images":[{"filename":"a.png"}]}},"status":{"status_str":"success","messages":[]}})");

/// Answers what the machine asks out of a few flags, and writes down what it did.
class Comfy {
  public:
    explicit Comfy(RunRules rules = {})
        : run(
              rules, {{"1", "KSampler", "KSampler", {}}, {"2", "SaveImage", "SaveImage", {"1"}}},
              [](int n) { return "p" + std::to_string(n); }, now) {}

    /// Until it finishes or wants to wait beyond `until` from the start.
    void go(Ms until) {
        for (int i = 0; i < 100'000; ++i) {
            const Action action = run.next(now);
            if (std::holds_alternative<Finish>(action)) {
                finished = true;
                return;
            }
            if (const auto* wait = std::get_if<Wait>(&action)) {
                if (wait->until > TimePoint{} + until) {
                    now = TimePoint{} + until;
                    return;
                }
                now = std::max(wait->until, now);
            } else if (const auto* send = std::get_if<SendPrompt>(&action)) {
                log += "post " + send->prompt_id + ";";
                if (on_post) on_post();
                run.on_post(
                    post_answer ? *post_answer : PostAnswer{Accepted{send->prompt_id, Json::object()}}, now);
            } else if (const auto* ask = std::get_if<AskHistory>(&action)) {
                run.on_history(gone   ? HistoryAnswer{Unreachable{"gone", false, true}}
                               : down ? HistoryAnswer{Unreachable{"down"}}
                               : history.count(ask->prompt_id) > 0
                                   ? HistoryAnswer{Entry{history[ask->prompt_id], lost_numbers}}
                                   : HistoryAnswer{NoEntry{}},
                               now);
            } else if (std::holds_alternative<AskRecent>(action)) {
                log += ask_recent ? "recent;" : "";
                Json entries = Json::object();
                for (const auto& [id, entry] : history) {
                    entries[id] = entry;
                }
                run.on_recent(Recent{entries}, now);
            } else if (std::holds_alternative<AskQueue>(action)) {
                run.on_queue(gone                 ? QueueAnswer{Unreachable{"gone", false, true}}
                             : down || queue_down ? QueueAnswer{Unreachable{"down"}}
                                                  : QueueAnswer{queue},
                             now);
            } else if (const auto* stop = std::get_if<Interrupt>(&action)) {
                log += "interrupt " + stop->prompt_id + ";";
                run.on_done(true, now);
            } else if (const auto* cancel = std::get_if<CancelJob>(&action)) {
                if (jobs_api) log += "cancel " + cancel->prompt_id + ";";
                run.on_cancelled(jobs_api ? CancelAnswer::done : CancelAnswer::unknown_call, now);
            } else if (const auto* gone = std::get_if<DeletePending>(&action)) {
                log += "delete " + gone->prompt_id + ";";
                run.on_done(true, now);
            } else if (std::holds_alternative<FreeMemory>(action)) {
                log += "free;";
                run.on_done(true, now);
            } else if (std::holds_alternative<Reconnect>(action)) {
                log += "reconnect;";
            } else if (std::holds_alternative<RestartService>(action)) {
                log += "restart;";
            } else if (const auto* blocked = std::get_if<Blocked>(&action)) {
                log += "blocked by " + blocked->prompt_id + ";";
            }
            now += Ms{1};
        }
    }
    void running(const std::string& id) { queue = Queue{{{id, 0, {}, {}}}, {}}; }
    void pending(const std::string& id, bool behind_other) {
        queue = Queue{};
        if (behind_other) queue.running.push_back({"other", 0, {}, {}});
        queue.pending.push_back({id, 1, {}, {}});
    }

    TimePoint now{};
    Run run;
    Queue queue;
    std::map<std::string, Json> history;
    std::optional<PostAnswer> post_answer;
    std::function<void()> on_post;
    int lost_numbers = 0;
    bool gone = false;  // nobody is there; `down`: no answer
    bool down = false, queue_down = false, finished = false, ask_recent = false;
    bool jobs_api = false;  // it knows POST /api/jobs/{id}/cancel
    std::string log;
};

}  // namespace emprops::comfyui::simulated
