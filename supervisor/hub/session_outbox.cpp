// Running jobs and their outcomes: keep-alives, progress, the outbox, and what a lost connection means for
// them. An outcome is sent at once only on the connection on which its job is known to be ours; else the
// fence (session_watch.cpp) decides first.

#include <algorithm>

#include "supervisor/hub/session_impl.h"

namespace emprops::hub {
namespace {

using State = OutboxItem::State;

/// Progress beyond this per job is coalesced: the newest wins.
constexpr double progress_burst = 20;
constexpr double progress_per_second = 10;
constexpr std::size_t most_taken = 4096;

std::string in_words(std::size_t bytes) {
    return std::to_string(bytes) + " bytes (" + std::to_string((bytes + (1u << 20) - 1) >> 20) + " MiB)";
}

}  // namespace

void Session::adopt(TimePoint now, LedgerEntry entry) {
    Impl& s = *impl_;
    std::set<std::string> claimed_as(entry.claimed_as.begin(), entry.claimed_as.end());
    s.next_number = std::max(s.next_number, entry.assignment.number + 1);
    if (entry.outcome) {
        OutboxItem item;
        item.outcome = std::move(*entry.outcome);
        item.job_type = entry.assignment.job_type;
        item.claimed_as = std::move(claimed_as);
        item.sent_before = true;  // perhaps: nobody knows how far the earlier process came
        item.queued_at = item.since = item.last_sign = now;
        s.outbox.push_back(std::move(item));
        return;
    }
    RunningJob job;
    job.job_type = entry.assignment.job_type;
    job.number = entry.assignment.number;
    job.claimed_as = std::move(claimed_as);
    job.assigned_at = job.last_progress = job.tokens_at = job.unfenced_since = now;
    job.fenced = false;
    job.recovered = true;
    job.resumable = entry.resumable;
    s.running[entry.assignment.job_id] = std::move(job);
}

void Session::report_progress(TimePoint now, const std::string& job_id, std::uint64_t number,
                              const ipc::Progress& progress) {
    const auto job = impl_->running.find(job_id);
    if (job == impl_->running.end() || job->second.number != number) return;
    job->second.held_progress = progress;
    job->second.held_progress->job_id = job_id;
    impl_->send_held_progress(now, job->second);
}

void Session::Impl::send_held_progress(TimePoint now, RunningJob& job) {
    if (!job.held_progress || !usable() || !job.fenced) return;
    const std::chrono::duration<double> passed = now - job.tokens_at;
    job.progress_tokens =
        std::min(progress_burst, job.progress_tokens + std::max(0.0, passed.count()) * progress_per_second);
    job.tokens_at = now;
    if (job.progress_tokens < 1) return;
    job.progress_tokens -= 1;
    std::string frame = encode_progress(stamp(), *job.held_progress);
    if (frame.size() > settings.hub.send_limit) {
        job.held_progress->details = nullptr;
        job.held_progress->message.clear();
        job.held_progress->status = "processing";
        frame = encode_progress(stamp(), *job.held_progress);
    }
    send(std::move(frame), true);
    job.held_progress.reset();
    job.last_progress = now;
}

void Session::Impl::keep_alive(TimePoint now) {
    // A job is ours to the Hub until its result is there, and that may have to wait.
    for (auto& item : outbox) {
        if (item.state != State::ready && !item.on_its_way()) continue;
        if (now - item.last_sign < settings.hub.keepalive_interval) continue;
        send(encode_keepalive(stamp(), item.outcome.job_id), true);
        item.last_sign = now;
    }
    for (auto& [job_id, job] : running) {
        // Not known to be ours: a sign of life harms nobody, but nothing else is said of it. What an earlier
        // process of ours left does not run, and is only asked about.
        const bool unknown = !job.fenced;
        if (unknown && (job.recovered || now - job.unfenced_since < settings.running_patience)) continue;
        if (!unknown) send_held_progress(now, job);
        if (now - job.last_progress < settings.hub.keepalive_interval) continue;
        send(encode_keepalive(stamp(), job_id), true);
        job.last_progress = now;
    }
}

void Session::Impl::confirm(TimePoint now, const std::string& job_id, RunningJob& job) {
    if (job.recovered) {
        job.recovered = false;
        out.push_back(JobConfirmed{job_id, job.number});
    }
    if (job.fenced) return;
    job.fenced = true;
    // Say so at once: the Hub may be about to give the job away.
    if (job.held_progress) {
        send_held_progress(now, job);
    } else {
        send(encode_keepalive(stamp(), job_id), true);
        job.last_progress = now;
    }
}

void Session::deliver(TimePoint now, jobs::Outcome outcome) {
    Impl& s = *impl_;
    const std::string job_id = outcome.job_id;
    if (const auto taken = s.taken.find(outcome.number); taken != s.taken.end()) {
        s.out.push_back(NotDelivered{job_id, outcome.number, taken->second});
        s.taken.erase(taken);
        return;
    }
    const auto job = s.running.find(job_id);
    if (job == s.running.end() || job->second.number != outcome.number) {
        s.note(Note::Level::warn,
               "an outcome of job " + job_id + " that the session does not know; not sent");
        ++s.counters.not_delivered["unknown"];
        s.out.push_back(NotDelivered{job_id, outcome.number, "unknown"});
        return;
    }
    OutboxItem item;
    item.outcome = std::move(outcome);
    item.claimed_as = std::move(job->second.claimed_as);
    item.job_type = job->second.job_type;
    item.state = State::fencing;
    if (s.usable() && job->second.fenced)
        item.state = s.asks_first(now, job->second) ? State::asking : State::ready;
    item.queued_at = item.since = now;
    item.last_sign = job->second.last_progress;
    if (s.claim && s.claim->readopt && s.claim->job_id == job_id) s.claim.reset();
    s.running.erase(job);
    s.outbox.push_back(std::move(item));
    s.outcome_came = true;
    if (s.usable() && !s.watch_enabled()) s.release_unfenced(now, Ms(0));
}

void Session::undelivered(TimePoint, const std::string& job_id, std::uint64_t number) {
    Impl& s = *impl_;
    s.taken.erase(number);
    const auto job = s.running.find(job_id);
    if (job == s.running.end() || job->second.number != number) return;
    if (s.claim && s.claim->readopt && s.claim->job_id == job_id) s.claim.reset();
    s.running.erase(job);
}

OutboxItem* Session::Impl::find_outcome(const std::string& job_id) {
    for (auto& item : outbox)
        if (item.outcome.job_id == job_id) return &item;
    return nullptr;
}

void Session::Impl::settle(const std::string& job_id, const char* not_delivered_reason) {
    const auto item = std::find_if(outbox.begin(), outbox.end(),
                                   [&](const OutboxItem& each) { return each.outcome.job_id == job_id; });
    if (item == outbox.end()) return;
    abort_upload(*item);
    if (not_delivered_reason == nullptr) {
        ++counters.delivered;
        out.push_back(Delivered{job_id, item->outcome.number});
    } else {
        ++counters.not_delivered[not_delivered_reason];
        note(Note::Level::warn, std::string("the ") + (item->completed() ? "result" : "failure") +
                                    " of job " + job_id + " is not reported: at the Hub the job is " +
                                    not_delivered_reason);
        out.push_back(NotDelivered{job_id, item->outcome.number, not_delivered_reason});
    }
    outbox.erase(item);
}

void Session::Impl::on_ack(const std::string& job_id) {
    const OutboxItem* item = find_outcome(job_id);
    if (item != nullptr && (item->state == State::sent || item->sent_before)) settle(job_id, nullptr);
}

void Session::Impl::on_failed_ack(TimePoint now, const std::string& job_id) {
    if (const OutboxItem* item = find_outcome(job_id)) note_failure(now, *item);
    on_ack(job_id);
}

/// The Hub has put the job back into its queue, but never gives it to this id again.
void Session::Impl::note_failure(TimePoint now, const OutboxItem& item) {
    const auto* failed = std::get_if<jobs::Failed>(&item.outcome.value);
    if (failed != nullptr && lost_here(failed->error))
        withheld.failed_here(now, item.outcome.job_id, item.job_type, failed->error.code);
}

/// Nobody answered in time whether the outcome is still wanted: it leaves.
void Session::Impl::release_asked(TimePoint now) {
    for (auto& item : outbox) {
        if (item.state != State::asking || now - item.since < ask_patience) continue;
        item.state = State::ready;
        item.since = now;
    }
}

std::string Session::Impl::outcome_frame(OutboxItem& item) {
    const std::string& job_id = item.outcome.job_id;
    if (const auto* completed = std::get_if<jobs::Completed>(&item.outcome.value)) {
        std::string frame = encode_complete(stamp(), job_id, completed->result);
        if (frame.size() <= settings.hub.send_limit) return frame;
        jobs::Failed failed;
        failed.error.code = ipc::code::result_too_large;
        failed.error.retryable = false;
        failed.error.message =
            "the result is " + in_words(completed->result.text.size()) +
            ", the Hub takes messages of at most " + in_words(settings.hub.send_limit) +
            "; let the connector store large outputs elsewhere and return their address, or raise the Hub's "
            "ws_max_size and hub.send_limit together";
        note(Note::Level::error, "job " + job_id + ": " + failed.error.message);
        item.outcome.value = std::move(failed);
    }
    const auto& failed = std::get<jobs::Failed>(item.outcome.value);
    return encode_fail(stamp(), job_id, failed.error, failed.begun);
}

/// The ack clock of an outcome runs from the moment when its frame was written, not from when it was queued:
/// on a slow line that can be minutes, and a second copy would only make it worse.
void Session::Impl::watch_writing(TimePoint now) {
    const std::size_t waiting = backlog();
    const std::uint64_t written = performed_bytes > waiting ? performed_bytes - waiting : 0;
    for (auto& item : outbox) {
        if (item.state != State::sent || item.written) continue;
        item.written = item.bulk ? bulk_backlog() == 0 : waiting == 0 || written >= item.ends_at;
        if (!item.written) item.since = now;
        const std::size_t bytes = item.upload.bytes();
        if (!item.bulk && written + bytes <= item.ends_at) item.upload.begin(now, bytes);  // not its turn yet
    }
}

void Session::Impl::say_completed(const OutboxItem& item) {
    ipc::Progress done;
    done.job_id = item.outcome.job_id;
    done.progress = 100;
    done.status = "completed";
    done.message = "Job completed successfully";
    send(encode_progress(stamp(), done));
}

void Session::Impl::flush_ready(TimePoint now) {
    for (auto& frame : direct_failures)
        send(std::move(frame));
    direct_failures.clear();
    std::size_t waiting = backlog();
    for (auto& item : outbox) {
        const bool overdue = now - item.since >= ack_patience(item) || (item.ask_at && now >= *item.ask_at);
        if (item.state == State::sent && item.written && overdue) {
            note(Note::Level::warn,
                 "the Hub has not acknowledged the outcome of job " + item.outcome.job_id + "; asking it");
            item.state = State::fencing;
            item.sent_before = true;
            item.since = now;
            item.ask_at.reset();
        }
        if (item.state != State::ready) continue;
        const BulkLane::Way way = way_of(now, item);
        item.bulk = way != BulkLane::Way::first;
        if (way == BulkLane::Way::bulk) flush_bulk(now, item);
        if (item.bulk || waiting > 2 * settings.hub.send_limit) continue;
        std::string frame = outcome_frame(item);
        waiting += frame.size();
        const std::size_t frame_bytes = frame.size();
        if (item.completed()) say_completed(item);
        send(std::move(frame));
        item.state = State::sent;
        item.since = now;
        item.written = false;
        item.ends_at = given_bytes;
        item.upload.begin(now, frame_bytes);
    }
}

void Session::Impl::take_away(TimePoint now, const std::string& job_id, const std::string& reason,
                              std::optional<std::string> cancelled) {
    if (claim && claim->job_id == job_id && claim->readopt) claim.reset();
    if (const OutboxItem* item = find_outcome(job_id); item != nullptr && stoppable(*item))
        return settle(job_id, reason.c_str());
    const auto job = running.find(job_id);
    if (job == running.end()) return;
    const std::uint64_t number = job->second.number;
    running.erase(job);
    if (taken.size() >= most_taken) taken.erase(taken.begin());
    taken[number] = reason;
    ++counters.not_delivered[reason];
    announcer.owe_status(now);
    if (cancelled) {
        note(Note::Level::info, "job " + job_id + " was cancelled");
        out.push_back(JobCancelled{job_id, number, *cancelled});
    } else {
        note(Note::Level::warn, "job " + job_id + " is no longer ours: at the Hub it is " + reason);
        out.push_back(JobWithdrawn{job_id, number, reason});
    }
}

void Session::Impl::fence_everything(TimePoint now) {
    for (auto& [job_id, job] : running) {
        job.fenced = false;
        job.unfenced_since = now;
    }
    for (auto& item : outbox) {
        if (item.bulk && item.state == State::sent) continue;  // that connection goes on
        if (item.state == State::sent) item.sent_before = true;
        item.state = State::fencing;
        item.since = now;
    }
    direct_failures.clear();  // those assignments were never accepted
}

void Session::Impl::release_unfenced(TimePoint now, Ms older_than) {
    if (!usable()) return;
    std::vector<std::string> dropped;
    bool patience_lost = false;
    for (auto& item : outbox) {
        if (item.state != State::fencing || now - item.since < older_than) continue;
        patience_lost = true;
        if (!item.completed() && item.sent_before) {
            dropped.push_back(item.outcome.job_id);  // fail_job is not idempotent
        } else {
            item.state = State::ready;
        }
    }
    for (auto& [job_id, job] : running) {
        if (job.fenced || now - job.unfenced_since < older_than) continue;
        patience_lost = true;
        confirm(now, job_id, job);
    }
    for (const auto& job_id : dropped)
        settle(job_id, "unconfirmed");
    if (patience_lost && older_than > Ms(0))
        note(Note::Level::warn,
             "the Hub could not be asked about jobs over /ws/client; going on without knowing");
}

bool Session::Impl::fence_pending() const {
    return std::any_of(running.begin(), running.end(), [](const auto& job) { return !job.second.fenced; }) ||
           std::any_of(outbox.begin(), outbox.end(),
                       [](const OutboxItem& item) { return item.state == State::fencing; });
}

bool Session::Impl::outcomes_ready() const {
    if (!direct_failures.empty()) return true;
    return room_for_outcomes() && std::any_of(outbox.begin(), outbox.end(), [&](const OutboxItem& item) {
               return item.state == State::ready && way_of(last_batch, item) == BulkLane::Way::first;
           });
}

}  // namespace emprops::hub
