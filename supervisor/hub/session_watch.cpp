// The client connection: while jobs run it asks the Hub what they are there (a cancel is never told to
// workers), and after a reconnect it decides which outcomes may still be sent (fencing).

#include <algorithm>

#include "supervisor/hub/session_impl.h"

namespace emprops::hub {
namespace {

using State = OutboxItem::State;

/// Jobs shorter than this never cost a second connection.
constexpr Ms watch_jobs_after{1000};
/// A question without an answer is asked again.
constexpr Ms answer_timeout{10'000};
constexpr Ms cancel_patience{3000};
constexpr Ms probe_lifetime{60'000};

bool asked_about(const OutboxItem& item) {
    return item.state == State::fencing || item.on_its_way();
}

/// The Hub writes the reason where it writes our progress, and the newer of both stands there.
std::string cancel_reason(const std::string& message) {
    constexpr std::string_view before = "Job cancelled: ";
    if (message.compare(0, before.size(), before) != 0) return "cancelled at the Hub";
    return "cancelled at the Hub: " + message.substr(before.size());
}

}  // namespace

bool Session::Impl::watch_wanted(TimePoint now) const {
    if (!watch_enabled() || !usable() || stopped) return false;
    if (fence_pending() || !cancels.empty() || !probes.empty()) return true;
    if (withheld_due(now) != nullptr) return true;
    if (std::any_of(outbox.begin(), outbox.end(), [&](const auto& item) {
            return item.on_its_way() && now - item.queued_at >= watch_jobs_after;
        }))
        return true;
    return std::any_of(running.begin(), running.end(),
                       [&](const auto& job) { return now - job.second.assigned_at >= watch_age(); });
}

Ms Session::Impl::watch_age() const {
    return std::min<Ms>(watch_jobs_after, settings.hub.cancel_poll);
}

/// Whether the outcome of this job waits for the question if it is still wanted: a cancel is never told to
/// us, and what was said last about the job may be `cancel_poll` old.
bool Session::Impl::asks_first(TimePoint now, const RunningJob& job) const {
    if (!watch_enabled() || now - job.assigned_at < watch_age()) return false;
    return watch == Watch::open || (watch == Watch::opening && !watch_failed);
}

void Session::Impl::close_watch() {
    questions.clear();
    for (auto& [job_id, cancel] : cancels)
        cancel.sent = false;
    if (watch == Watch::closed) return;
    watch = Watch::closed;
    out.push_back(CloseWatch{});
}

void Session::Impl::steer_watch(TimePoint now) {
    if (watch_wanted(now)) {
        watch_needed_at = now;
        if (watch == Watch::closed) {
            watch = Watch::opening;
            watch_failed = false;
            out.push_back(OpenWatch{Ms(0), worker_id + "-watch"});
        }
    } else if (watch != Watch::closed && now - watch_needed_at >= settings.watch_linger) {
        close_watch();
    }
    if (watch == Watch::open) ask_about_jobs(now);
}

void Session::on_watch_connected(TimePoint) {
    if (impl_->watch != Impl::Watch::opening) return;
    impl_->watch = Impl::Watch::open;
    impl_->questions.clear();
}

void Session::on_watch_disconnected(TimePoint, const std::string& reason) {
    Impl& s = *impl_;
    if (s.watch == Impl::Watch::closed) return;
    s.note(Note::Level::debug, "the client connection to the Hub ended: " + reason);
    s.questions.clear();
    for (auto& [job_id, cancel] : s.cancels)
        cancel.sent = false;
    for (auto& item : s.outbox)
        if (item.state == State::asking) item.state = State::ready;
    s.watch = Impl::Watch::opening;
    s.watch_failed = true;
    s.out.push_back(OpenWatch{s.watch_reconnects.next(s.sources.random_unit()), s.worker_id + "-watch"});
}

void Session::Impl::ask_about_jobs(TimePoint now) {
    const auto ask = [&](const std::string& job_id, Ms every) {
        const auto last = questions.find(job_id);
        if (last != questions.end()) {
            const Ms wait = last->second.answered ? every : answer_timeout;
            if (now < last->second.again.value_or(last->second.at + wait)) return;
        }
        questions[job_id] = Question{now};
        out.push_back(SendWatch{encode_request_job_status(job_id)});
    };
    for (auto& item : outbox) {
        if (asked_about(item)) ask(item.outcome.job_id, settings.hub.cancel_poll);
        if (item.state != State::asking || item.asked) continue;
        item.asked = true;
        questions[item.outcome.job_id] = Question{now};
        out.push_back(SendWatch{encode_request_job_status(item.outcome.job_id)});
    }
    if (const WithheldJob* job = withheld_due(now)) ask(job->job_id, settings.hub.cancel_poll);
    for (const auto& [job_id, job] : running)
        ask(job_id, settings.hub.cancel_poll);
    for (const auto& [job_id, since] : probes)
        ask(job_id, settings.hub.cancel_poll);
    for (auto it = cancels.begin(); it != cancels.end();) {
        if (!it->second.sent) out.push_back(SendWatch{encode_cancel_job(it->first, it->second.reason)});
        it->second.sent = true;
        it = it->second.reported ? cancels.erase(it) : std::next(it);
    }
    std::erase_if(probes, [&](const auto& probe) { return now - probe.second >= probe_lifetime; });
    std::erase_if(questions, [&](const auto& question) {
        return question.second.answered && now - question.second.at > answer_timeout;
    });
}

void Session::on_watch_frame(TimePoint now, std::string_view text) {
    Impl& s = *impl_;
    if (s.watch != Impl::Watch::open) return;
    const HubFrame frame = decode_hub_frame(text);
    if (std::holds_alternative<Welcome>(frame)) {
        s.watch_reconnects.reset();
    } else if (const auto* status = std::get_if<JobStatus>(&frame)) {
        s.on_job_status(now, *status);
    } else if (const auto* error = std::get_if<HubError>(&frame)) {
        if (error->kind == HubError::Kind::not_found) {
            s.on_job_status(now, JobStatus{error->job_id, "unknown", "", ""});
        } else if (error->kind == HubError::Kind::server_trouble) {
            // It names no job: all questions that have no answer may have got this one.
            const TimePoint again = s.pause_after_trouble(now);
            for (auto& [job_id, question] : s.questions)
                if (!question.answered) question.again = again;
            s.note(Note::Level::debug,
                   "the Hub cannot tell the state of a job: " + error->text.substr(0, 500));
        } else {
            s.note(Note::Level::warn,
                   "the Hub reports to our client connection: " + error->text.substr(0, 500));
        }
    } else if (const auto* bad = std::get_if<BadFrame>(&frame)) {
        ++s.counters.bad_frames;
        s.note(Note::Level::warn,
               "the Hub sent our client connection something that is not understood: " + bad->reason);
    }
}

void Session::Impl::on_job_status(TimePoint now, const JobStatus& status) {
    const std::string& job_id = status.job_id;
    const auto question = questions.find(job_id);
    const std::optional<TimePoint> asked_at =
        question == questions.end() ? std::nullopt : std::optional(question->second.at);
    if (question != questions.end()) question->second.answered = true;
    std::string verdict = status.status == "processing" ? "claimed" : status.status;
    static const std::set<std::string> known = {"claimed", "pending",   "completed",
                                                "failed",  "cancelled", "unknown"};
    if (known.count(verdict) == 0)
        return note(Note::Level::debug, "job " + job_id + " has the unknown status " + verdict);
    if (verdict == "claimed" && status.worker_id.empty()) return;  // half an answer: ask again

    const auto cancel = cancels.find(job_id);
    if (cancel != cancels.end() && cancel->second.sent &&
        (verdict == "cancelled" || verdict == "unknown" || verdict == "completed")) {
        const std::string reason = cancel->second.reason;
        cancels.erase(cancel);
        return take_away(now, job_id, "cancelled", reason);
    }
    if (probes.erase(job_id) != 0 && verdict == "pending") {
        refuse_assignment(now, job_id, "", ipc::code::not_started, refused_for_ever());
    }
    if (OutboxItem* item = find_outcome(job_id)) {
        if (item->state == State::asking && item->asked && verdict == "unknown") {
            item->state = State::ready;  // a Hub that lost its redis takes it all the same
        } else if (asked_about(*item) || (item->state == State::asking && item->asked)) {
            fence_outcome(now, *item, verdict, status.worker_id);
        }
        return;
    }
    const auto job = running.find(job_id);
    if (job == running.end()) return on_withheld_status(now, job_id, verdict);
    // An answer to a question of before the assignment speaks of an earlier life of the job.
    if (!asked_at || *asked_at < job->second.assigned_at) return;
    watch_running(now, job_id, verdict, job->second.claimed_as.count(status.worker_id) != 0, status);
}

void Session::Impl::fence_outcome(TimePoint now, OutboxItem& item, const std::string& verdict,
                                  const std::string& worker) {
    const std::string job_id = item.outcome.job_id;
    const bool ours = item.claimed_as.count(worker) != 0;
    if (!stoppable(item)) {
        // All of it is under way, an acknowledgement may be too.
        if (verdict == "completed" && ours) settle(job_id, nullptr);
        return;
    }
    if ((verdict == "claimed" && ours) || (verdict == "pending" && item.completed())) {
        if (item.state != State::fencing && item.state != State::asking) return;  // goes on
        item.state = State::ready;
        item.since = now;
        return;
    }
    if (verdict == "claimed") return settle(job_id, "claimed_by_other");
    // Sent before, the acknowledgement was lost, and the Hub shows what it made of it. A job that it took
    // back while we were silent has no worker there until somebody claims it: its end is ours as well.
    const bool ended_by_us = ours || worker.empty();
    const bool arrived = item.sent_before && (item.completed() ? ended_by_us && verdict == "completed"
                                                               : (ended_by_us && verdict == "failed") ||
                                                                     (ours && verdict == "pending"));
    if (arrived && verdict == "pending") note_failure(now, item);
    settle(job_id, arrived ? nullptr : verdict.c_str());
}

void Session::Impl::watch_running(TimePoint now, const std::string& job_id, const std::string& verdict,
                                  bool ours, const JobStatus& status) {
    RunningJob& job = running.at(job_id);
    if (verdict == "claimed") {
        if (ours) return confirm(now, job_id, job);
        return take_away(now, job_id, "claimed_by_other", std::nullopt);
    }
    if (verdict == "cancelled") return take_away(now, job_id, verdict, cancel_reason(status.message));
    if (verdict != "pending") return take_away(now, job_id, verdict, std::nullopt);
    if (job.recovered && !job.resumable) return take_away(now, job_id, verdict, std::nullopt);
    reclaim(now, job_id);
}

void Session::cancel(TimePoint now, const std::string& job_id, const std::string& reason) {
    impl_->cancels.try_emplace(job_id, PendingCancel{reason, now, false, false});
    impl_->check_cancels(now);
}

void Session::Impl::check_cancels(TimePoint now) {
    for (auto it = cancels.begin(); it != cancels.end();) {
        auto& [job_id, cancel] = *it;
        if (!cancel.reported && (!watch_enabled() || now - cancel.since >= cancel_patience)) {
            cancel.reported = true;
            note(Note::Level::warn,
                 "job " + job_id + " is cancelled here; the Hub " +
                     (watch_enabled() ? "has not confirmed it" : "is not told (hub.cancel_watch is off)"));
            take_away(now, job_id, "cancelled", cancel.reason);
        }
        const bool over = cancel.reported && (cancel.sent || !watch_enabled());
        it = over ? cancels.erase(it) : std::next(it);
    }
}

std::optional<TimePoint> Session::Impl::watch_wakeup() const {
    std::optional<TimePoint> first;
    const auto earlier = [&first](TimePoint at) {
        if (!first || at < *first) first = at;
    };
    if (!watch_enabled()) return first;
    if (watch == Watch::closed) {
        for (const auto& [job_id, job] : running)
            earlier(job.assigned_at + std::min<Ms>(watch_jobs_after, settings.hub.cancel_poll));
        for (const auto& item : outbox)
            if (item.on_its_way()) earlier(item.queued_at + watch_jobs_after);
        return first;
    }
    earlier(watch_needed_at + settings.watch_linger);
    if (watch != Watch::open) return first;
    const auto due = [&](const std::string& job_id) {
        const auto question = questions.find(job_id);
        if (question == questions.end()) return;  // asked in the next batch
        const Ms wait = question->second.answered ? Ms(settings.hub.cancel_poll) : answer_timeout;
        earlier(question->second.again.value_or(question->second.at + wait));
    };
    for (const auto& [job_id, job] : running)
        due(job_id);
    for (const auto& [job_id, since] : probes)
        due(job_id);
    for (const auto& item : outbox)
        if (asked_about(item)) due(item.outcome.job_id);
    if (const WithheldJob* job = withheld_due(last_batch)) due(job->job_id);
    return first;
}

}  // namespace emprops::hub
