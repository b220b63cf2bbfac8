// Every recorded prompt of a real ComfyUI goes through payload, events, progress, run and outputs in
// simulated time; a small server model answers queue and history as the recording says they were at that
// moment.

#include <gtest/gtest.h>

#include "connectors/comfyui/job/progress.h"
#include "connectors/comfyui/run/run.h"
#include "connectors/comfyui/text/outputs.h"
#include "connectors/comfyui/text/payload.h"
#include "connectors/comfyui/text/tolerant_json.h"
#include "connectors/comfyui/text/validation.h"
#include "tests/support/comfyui_recording.h"

namespace emprops::comfyui {
namespace {

using test::RecordedPrompt;

struct Replayed {
    std::string verdict;
    Outcome outcome;
    std::vector<double> percents;
    int posts = 0;      ///< of the submission that is under way
    int all_posts = 0;  ///< what ComfyUI had to do
    bool restart_service = false;
    bool freed = false;
};

PostAnswer post_answer(const RecordedPrompt& prompt) {
    const Json body = parse_tolerant(prompt.answer).value_or(Json());
    if (prompt.status == 0) return Unreachable{"no answer", true};
    if (prompt.status == 200 && body.is_object()) {
        return Accepted{body.value("prompt_id", ""), body.value("node_errors", Json::object())};
    }
    if (prompt.status == 400) return Refused{body};
    if (prompt.status == 403) return AccessDenied{403};
    return ServerError{prompt.status, prompt.answer};
}

Replayed replay(const RecordedPrompt& prompt) {
    const TimePoint begin{};
    const auto at = [&](double seconds) {
        return begin + std::chrono::milliseconds{static_cast<long>(seconds * 1000) + 1000};
    };
    Replayed result;
    const auto payload = read_payload(prompt.request.is_null() ? prompt.answer : prompt.request.dump());
    if (!payload.ok()) {
        result.verdict = "payload refused";
        return result;
    }
    RunRules rules;
    rules.limits.no_progress = Ms{60'000};
    rules.limits.start = Ms{30'000};
    Run run(
        rules, payload->nodes,
        [&](int n) { return n == 0 && !prompt.id.empty() ? prompt.id : "again-" + std::to_string(n); },
        begin);
    Progress progress(payload->nodes);
    run.on_socket(true, begin);
    TimePoint now = begin;
    TimePoint sent = begin;
    std::size_t message = 0;
    const auto shift = [&](TimePoint t) {
        return sent - at(0) + t;
    };  // the recording's time, counted from our POST
    for (int steps = 0; steps < 100'000; ++steps) {
        while (result.posts > 0 && message < prompt.messages.size() &&
               shift(at(prompt.messages[message].t)) <= now) {
            const auto read = read_message(prompt.messages[message++].text);
            if (const auto* event = std::get_if<Event>(&read)) {
                Event own = *event;
                if (own.prompt_id == prompt.id) own.prompt_id = run.prompt_id();
                run.on_event(own, now);
                progress.on_event(own.body);
                result.percents.push_back(progress.percent());
            }
        }
        const bool ended = result.posts > 0 && prompt.ended && now >= shift(at(*prompt.ended));
        const bool vanished = result.posts > 0 && prompt.vanished && now >= shift(at(*prompt.vanished));
        const Action action = run.next(now);
        if (std::holds_alternative<Finish>(action)) break;
        if (const auto* wait = std::get_if<Wait>(&action)) {
            TimePoint until = wait->until;
            if (result.posts > 0 && message < prompt.messages.size()) {
                until = std::min(until, shift(at(prompt.messages[message].t)));
            }
            now = std::max(until, now + Ms{1});
        } else if (std::holds_alternative<SendPrompt>(action)) {
            ++result.posts;
            ++result.all_posts;
            message = 0;
            sent = now;
            progress.restart();
            run.on_post(post_answer(prompt).index() == 0
                            ? PostAnswer{Accepted{run.prompt_id(),
                                                  std::get<Accepted>(post_answer(prompt)).node_errors}}
                            : post_answer(prompt),
                        now);
        } else if (std::holds_alternative<AskHistory>(action)) {
            if (ended && prompt.history.is_object()) {
                run.on_history(Entry{prompt.history}, now);
            } else {
                run.on_history(NoEntry{}, now);
            }
        } else if (std::holds_alternative<AskQueue>(action)) {
            Queue queue;
            if (result.posts > 0 && !ended && !vanished)
                queue.running.push_back({run.prompt_id(), 0, {}, {}});
            run.on_queue(queue, now);
        } else if (std::holds_alternative<FreeMemory>(action)) {
            result.freed = true;
            result.posts = 0;  // the next submission starts over
            run.on_done(true, now);
        } else if (std::holds_alternative<RestartService>(action)) {
            result.restart_service = true;
        } else if (std::holds_alternative<CancelJob>(action)) {
            run.on_cancelled(CancelAnswer::unknown_call, now);
        } else if (!std::holds_alternative<Reconnect>(action)) {
            run.on_done(true, now);
        }
    }
    result.outcome = run.outcome();
    switch (result.outcome.kind) {
        case Outcome::Kind::succeeded:
            result.verdict = "success";
            break;
        case Outcome::Kind::refused:
            result.verdict = validation_failure(
                                 result.outcome.refusal, payload->nodes,
                                 [](auto&, auto&) { return std::vector<std::string>{}; },
                                 [] { return std::vector<std::string>{}; })
                                 .code;
            break;
        case Outcome::Kind::node_failed:
            result.verdict = node_failure(result.outcome.node_error, payload->nodes).code;
            break;
        case Outcome::Kind::failed:
            result.verdict = result.outcome.failure.code;
            break;
        case Outcome::Kind::cancelled:
            result.verdict = "cancelled";
            break;
    }
    return result;
}

using Verdicts = std::vector<std::string>;

/// "payload refused": never sent. "timeout": the recording does not show the prompt's end. "lost": deleted,
/// cleared, or gone with its server, the second time too.
const std::map<std::string, Verdicts>& expected() {
    static const std::map<std::string, Verdicts> table{
        {"01-empty-save", {"success"}},
        {"02-upload-scale-invert", {"success", "success", "success", "service_error"}},
        {"03-batch-multi-output", {"success"}},
        {"04-progress-preview-legacy", {"success", "success"}},
        {"05-progress-preview-metadata", {"success", "success"}},
        {"06-save-image-websocket", {"success", "success", "success"}},
        {"07-validation-errors",
         {"invalid_payload", "unsupported", "payload refused", "invalid_payload", "invalid_payload",
          "invalid_payload", "invalid_payload", "payload refused", "success", "invalid_payload",
          "invalid_payload", "invalid_payload", "payload refused", "invalid_payload"}},
        {"08-partly-valid", {"invalid_payload", "success"}},
        {"09-execution-error",
         {"service_error", "service_error", "service_error", "service_error", "service_error", "success"}},
        {"10-interrupt",
         {"comfyui.interrupted", "success", "lost", "success", "comfyui.interrupted", "comfyui.interrupted",
          "success"}},
        {"11-cached-twice",
         {"success", "success", "success", "success", "success", "success", "success", "success"}},
        {"12-queue-of-5",
         {"success", "success", "lost", "success", "success", "success", "lost", "lost", "lost"}},
        {"13-large-output", {"success"}},
        {"14-websocket-drop", {"success", "success", "success", "success", "success", "success", "success"}},
        {"15-process-exit", {"success", "lost", "lost", "success"}},
        {"15b-process-killed", {"lost"}},
        {"16-out-of-memory", {"out_of_memory", "out_of_memory", "out_of_memory", "out_of_memory"}},
        {"17-execution-blocked", {"success", "success", "success"}},
        {"18-expansion-async-list", {"success", "success", "success", "success"}},
        {"19-worker-dead", {"payload refused", "lost"}},
        {"19b-worker-dead-system-exit", {"timeout", "timeout"}},
        {"20-bad-requests",
         {"payload refused", "payload refused", "payload refused", "payload refused", "payload refused",
          "payload refused", "payload refused", "payload refused", "payload refused", "timeout",
          "timeout",         "timeout",         "success",         "success",         "success",
          "success",         "success",         "timeout",         "access_denied",   "success",
          "success"}},
        {"21-two-clients", {"success", "success", "comfyui.interrupted", "comfyui.interrupted", "success"}},
        {"22-text-output", {"success"}},
        {"23-free-and-history", {"success", "success", "success"}},
        {"24-upload-limit", {"payload refused"}},
        {"25-race", Verdicts(60, "success")},
        {"26-history-at-end", Verdicts(40, "success")},
        {"27-stalled-reader", {"success", "success"}},
        {"28-ksampler-preview", {"success", "comfyui.interrupted"}},
        {"30-misc", {"success"}},
        {"31-shutdown-sigterm", {"lost"}},
        {"32-ui-not-json", {"success", "lost", "timeout"}}};
    return table;
}

class Recordings : public testing::TestWithParam<std::string> {};

TEST_P(Recordings, EndAsTheRealServerEndedThem) {
    const auto prompts = test::load_recording(GetParam());
    Verdicts verdicts;
    for (const RecordedPrompt& prompt : prompts) {
        verdicts.push_back(replay(prompt).verdict);
    }
    const auto row = expected().find(GetParam());
    EXPECT_EQ(verdicts, row == expected().end() ? Verdicts{} : row->second);
}

TEST_P(Recordings, RunEachPromptOnce) {
    for (const RecordedPrompt& prompt : test::load_recording(GetParam())) {
        const Replayed result = replay(prompt);
        if (result.verdict == "success") {
            EXPECT_EQ(result.all_posts, 1) << prompt.id;
        }
    }
}

TEST_P(Recordings, ShowProgressThatNeverGoesBackwardsAndEndsNearTheTop) {
    for (const RecordedPrompt& prompt : test::load_recording(GetParam())) {
        const Replayed result = replay(prompt);
        EXPECT_TRUE(std::is_sorted(result.percents.begin(), result.percents.end())) << prompt.id;
        const bool all_messages = !prompt.messages.empty() &&
                                  prompt.messages.back().text.find("\"node\":null") != std::string::npos;
        if (result.verdict == "success" && all_messages) {
            EXPECT_EQ(result.percents.back(), 95) << prompt.id;
        }
    }
}

TEST_P(Recordings, YieldEveryFileThatTheHistoryNames) {
    for (const RecordedPrompt& prompt : test::load_recording(GetParam())) {
        const Replayed result = replay(prompt);
        if (result.verdict != "success") continue;
        const Outputs outputs = collect_outputs(result.outcome.outputs, true);
        const std::string text = prompt.history["outputs"].dump();
        for (const OutputFile& file : outputs.files) {
            EXPECT_NE(text.find(Json(file.filename).dump()), std::string::npos) << file.filename;
        }
        std::size_t named = 0;
        for (std::size_t from = 0; (from = text.find("\"filename\"", from)) != std::string::npos; ++from) {
            ++named;
        }
        EXPECT_LE(outputs.files.size(), named);
        EXPECT_EQ(outputs.files.empty(), named == 0) << text;
    }
}

INSTANTIATE_TEST_SUITE_P(All, Recordings, testing::ValuesIn(test::recording_names()), [](const auto& info) {
    std::string name = info.param;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

}  // namespace
}  // namespace emprops::comfyui
