#include "supervisor/hub/fence.h"

#include <algorithm>
#include <set>
#include <utility>

namespace emprops::hub {
namespace {

/// A question without an answer is asked again.
constexpr Ms answer_timeout{10'000};
constexpr Ms longest_pause{10'000};

}  // namespace

Fence::Fence(const SessionSettings& settings, Wire& wire)
    : settings_(settings),
      wire_(wire),
      reconnects_(settings.hub.reconnect_min, std::min<Ms>(settings.hub.reconnect_max, longest_pause)) {}

void Fence::steer(TimePoint now, bool wanted) {
    if (wanted) {
        needed_at_ = now;
        if (state_ != State::closed) return;
        state_ = State::opening;
        failed_ = false;
        wire_.act(OpenWatch{Ms(0), wire_.worker_id() + "-watch"});
    } else if (state_ != State::closed && now >= closes_at()) {
        close();
    }
}

void Fence::close() {
    questions_.clear();
    if (state_ == State::closed) return;
    state_ = State::closed;
    wire_.act(CloseWatch{});
}

void Fence::on_connected() {
    if (state_ != State::opening) return;
    state_ = State::open;
    questions_.clear();
}

void Fence::on_disconnected(const std::string& reason) {
    wire_.note(Note::Level::debug, "the client connection to the Hub ended: " + reason);
    questions_.clear();
    state_ = State::opening;
    failed_ = true;
    wire_.act(OpenWatch{reconnects_.next(wire_.random_unit()), wire_.worker_id() + "-watch"});
}

TimePoint Fence::next_after(const Question& question) const {
    const Ms wait = question.answered ? Ms(settings_.hub.cancel_poll) : answer_timeout;
    return question.again.value_or(question.at + wait);
}

std::optional<TimePoint> Fence::due(const std::string& job_id) const {
    const auto question = questions_.find(job_id);
    if (question == questions_.end()) return std::nullopt;
    return next_after(question->second);
}

void Fence::ask(TimePoint now, const std::string& job_id) {
    const auto at = due(job_id);
    if (!at || now >= *at) ask_at_once(now, job_id);
}

void Fence::ask_at_once(TimePoint now, const std::string& job_id) {
    questions_[job_id] = Question{now};
    wire_.act(SendWatch{encode(RequestJobStatus{job_id})});
}

void Fence::forget_answered(TimePoint now) {
    std::erase_if(questions_, [&](const auto& question) {
        return question.second.answered && now - question.second.at > answer_timeout;
    });
}

std::optional<Verdict> Fence::on_answer(const JobStatus& status) {
    Verdict verdict{status.job_id, status.status, status.worker_id, status.message.value_or(""),
                    std::nullopt};
    if (verdict.state == "processing") verdict.state = "claimed";
    if (const auto question = questions_.find(status.job_id); question != questions_.end()) {
        question->second.answered = true;
        verdict.asked_at = question->second.at;
    }
    static const std::set<std::string> known = {"claimed", "pending",   "completed",
                                                "failed",  "cancelled", "unknown"};
    if (known.count(verdict.state) == 0) {
        wire_.note(Note::Level::debug, "job " + status.job_id + " has the unknown status " + verdict.state);
        return std::nullopt;
    }
    if (verdict.state == "claimed" && verdict.worker_id.empty()) return std::nullopt;  // ask again
    return verdict;
}

void Fence::on_trouble(TimePoint again) {
    // It names no job: all questions that have no answer may have got this one.
    for (auto& [job_id, question] : questions_)
        if (!question.answered) question.again = again;
}

}  // namespace emprops::hub
