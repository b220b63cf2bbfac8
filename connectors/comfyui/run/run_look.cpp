// Looking (connectors/comfyui/API.md 6.9): what queue and history say before and while a prompt runs.

#include "connectors/comfyui/run/run_parts.h"

namespace emprops::comfyui {
namespace {

constexpr int max_post_tries = 4;
// A POST that timed out, or whose sender was killed, may still be on its way through validation. Only time in
// which ComfyUI answers counts: its loop answers nobody while a node validates.
constexpr Ms doubt_period{4'000};

const QueueItem* find(const std::vector<QueueItem>& items, const std::string& id) {
    const auto at =
        std::find_if(items.begin(), items.end(), [&](const auto& item) { return item.prompt_id == id; });
    return at == items.end() ? nullptr : &*at;
}

}  // namespace

void Run::whole_look() {
    unreachable_since_.reset();
    access_status_.reset();
    look_step_ = 0;
}

void Run::on_history(const HistoryAnswer& answer, TimePoint now) {
    if (const auto* denied = std::get_if<AccessDenied>(&answer)) return look_problem(*denied, now);
    if (const auto* problem = std::get_if<Unreachable>(&answer)) return look_problem(*problem, now);
    if (phase_ == Phase::scan) return scan_history(answer, now);
    if (const auto* entry = std::get_if<Entry>(&answer)) {
        whole_look();
        take_entry(*entry);
        looked(Where::finished, entry->entry, now);
    } else if (look_step_ == 0) {
        look_step_ = 1;
    } else {
        whole_look();
        looked(Where::absent, {}, now);
    }
}

/// Finds a prompt of this job by its mark: a server that makes its own ids, or a submission that we did not
/// think of. Not while a submission of ours is known by its id.
bool Run::adopt(const Queue& queue, TimePoint now) {
    const QueueItem* found = nullptr;
    int best = -1;
    for (const auto* list : {&queue.running, &queue.pending}) {
        for (const QueueItem& item : *list) {
            std::optional<int> number = submission_of(item.mark, rules_.mark);
            for (int i = 0; phase_ == Phase::scan && !number && i <= highest_submission; ++i) {
                if (name_(i) == item.prompt_id) number = i;
            }
            if (!number || *number > highest_submission) continue;
            // While in doubt about one submission, only that one answers the question.
            const bool any = phase_ == Phase::scan || (phase_ == Phase::lookup && !attached_) || of_earlier_;
            if ((any ? *number >= submission_ || phase_ == Phase::scan : *number == submission_) &&
                *number > best) {
                best = *number;
                found = &item;
            }
        }
    }
    if (found == nullptr) return false;
    if (phase_ == Phase::scan) begin_lookup(best, now);
    submission_ = best;
    prompt_id_ = found->prompt_id;
    return true;
}

void Run::on_queue(const QueueAnswer& answer, TimePoint now) {
    if (const auto* denied = std::get_if<AccessDenied>(&answer)) return look_problem(*denied, now);
    if (const auto* problem = std::get_if<Unreachable>(&answer)) return look_problem(*problem, now);
    const Queue& queue = std::get<Queue>(answer);
    queue_length_ = static_cast<int>(queue.running.size() + queue.pending.size());
    const bool scanning = phase_ == Phase::scan;
    const QueueItem* running = scanning ? nullptr : find(queue.running, prompt_id_);
    const QueueItem* waiting = scanning ? nullptr : find(queue.pending, prompt_id_);
    if (running == nullptr && waiting == nullptr && adopt(queue, now)) {
        running = find(queue.running, prompt_id_);
        waiting = find(queue.pending, prompt_id_);
    }
    const auto take = [&](const QueueItem& item) {
        whole_look();
        if (!item.outputs.empty()) output_nodes_ = item.outputs;
        directed_ = !item.mark.is_object() || !item.mark.contains("instance") ||
                    item.mark.at("instance") == Json(rules_.mark.instance);
    };
    if (!was_gone_) others_ = queue_length_ - (running != nullptr || waiting != nullptr ? 1 : 0);
    if (running != nullptr) {
        take(*running);
        position_ = 0;
        looked(Where::running, {}, now);
    } else if (waiting != nullptr) {
        take(*waiting);
        position_ = static_cast<int>(waiting - queue.pending.data()) + static_cast<int>(queue.running.size());
        position_ = std::max(position_, 1);
        watch_head(queue, now);
        looked(Where::pending, {}, now);
    } else if (scanning) {
        scan_ = highest_submission;
    } else {
        look_step_ = 2;
    }
}

void Run::watch_head(const Queue& queue, TimePoint now) {
    if (queue.running.empty()) {
        head_since_.reset();
        if (!idle_since_) idle_since_ = now;
        return;
    }
    idle_since_.reset();
    const QueueItem& head = queue.running.front();
    // Prompts of our own are watched by their jobs, which also see their events.
    if (is_ours(head.mark, rules_.mark.space)) {
        head_since_.reset();
    } else if (!head_since_ || head_ != head.prompt_id) {
        head_ = head.prompt_id;
        head_mark_ = head.mark;
        head_since_ = now;
    }
}

void Run::look_problem(const std::variant<AccessDenied, Unreachable>& problem, TimePoint now) {
    look_step_ = 0;
    if (!unreachable_since_) unreachable_since_ = now;
    // Time in which it did not answer says nothing about what it would know.
    if (phase_ == Phase::doubt) doubt_since_ = now;
    if (const auto* denied = std::get_if<AccessDenied>(&problem)) {
        access_status_ = denied->status;
        last_problem_ = "HTTP " + std::to_string(denied->status);
        // Before anything was sent there is no reason to wait for a proxy to change its mind.
        if (phase_ == Phase::lookup && !attached_ && resubmissions_ == 0) {
            fail("access_denied", "", true, "access");
            return;
        }
    } else {
        access_status_.reset();
        last_problem_ = std::get<Unreachable>(problem).what;
        const bool gone = std::get<Unreachable>(problem).gone;
        was_gone_ = was_gone_ || gone;
        // With the process its queue is gone; where only the way to it is, the monitor goes on.
        if (gone && phase_ == Phase::withdraw) {
            abandon();
            return end_withdraw();
        }
        if (gone && phase_ == Phase::scan && cancelled_) {
            abandon();
            return finish(Outcome::Kind::cancelled);
        }
    }
    look_at_ = now + std::min(rules_.poll_interval, retry_pause);
}

void Run::looked(Where where, const Json& entry, TimePoint now) {
    switch (phase_) {
        case Phase::scan:
        case Phase::lookup:
        case Phase::doubt:
            return looked_before_sending(where, entry, now);
        case Phase::follow:
            return looked_while_following(where, entry, now);
        case Phase::withdraw:
            return looked_while_withdrawing(where, entry, now);
        case Phase::post:
        case Phase::free_memory:
        case Phase::finished:
            return;
    }
}

void Run::looked_before_sending(Where where, const Json& entry, TimePoint now) {
    if (where == Where::running || where == Where::pending) {
        if (phase_ == Phase::lookup || of_earlier_) note("found the prompt again that was sent before");
        attach(now);
        if (cancelled_) {  // while it was looked for
            cancelled_ = false;
            return cancel(now);
        }
        looked_while_following(where, entry, now);
        return;
    }
    if (where == Where::finished) {
        const bool success = is_success(entry);
        // In doubt, or noted by the earlier process: this assignment's own prompt ended already. Else it is
        // an earlier assignment's: its success is this job's result; its failure is the reason why the job
        // came again.
        if (phase_ == Phase::doubt || noted_ || success) {
            if (phase_ == Phase::lookup || of_earlier_) {
                note("the prompt had been run before; took its result");
                // An earlier process may have delivered the files and removed them.
                outcome_.maybe_old = true;
                outcome_.earlier = !noted_ && !of_earlier_;
                outcome_.was_over = true;
            }
            attach(now);
            conclude(entry, now);
        } else if (submission_ >= highest_submission) {
            fail("internal", "this job failed in ComfyUI too often to be tried again here", false,
                 "too_many");
        } else {
            begin_lookup(submission_ + 1, now);
        }
        return;
    }
    if (phase_ == Phase::lookup) {
        if (noted_) {
            // The prompt may be there under an id that the server made.
            look_step_ = 3;
            return;
        }
        return not_there(now);
    }
    // Doubt: ComfyUI does not know it. Not yet, perhaps.
    if (server_errors_ >= 2) {
        fail("service_error", "ComfyUI failed to take the workflow: " + last_problem_, false, "server_error");
    } else if (post_tries_ >= max_post_tries) {
        outcome_.doubtful = true;
        abandon();
        fail("service_unavailable", "ComfyUI did not take the workflow: " + last_problem_, true,
             "unreachable");
    } else if (server_errors_ > 0 || since(*doubt_since_, now) >= doubt_period) {
        look_step_ = 3;
    } else {
        look_at_ = now + retry_pause;
    }
}

void Run::on_recent(const RecentAnswer& answer, TimePoint now) {
    // No answer counts as nothing found: only old servers need this, and it must not hold up a job.
    if (std::holds_alternative<Recent>(answer)) whole_look();
    look_step_ = 0;
    const Json none = Json::object();
    const auto* recent = std::get_if<Recent>(&answer);
    const Json& entries = recent != nullptr ? recent->entries : none;
    const Json* found = nullptr;
    int best = -1;
    std::string id;
    if (entries.is_object()) {
        for (const auto& [key, entry] : entries.items()) {
            if (!entry.is_object()) continue;
            const auto number = submission_of(mark_of(entry), rules_.mark);
            const bool wanted = number && (phase_ == Phase::scan || *number == submission_);
            if (!wanted || *number <= best || *number > highest_submission) continue;
            best = *number;
            found = &entry;
            id = key;
        }
    }
    if (phase_ == Phase::scan) {
        if (found == nullptr) return scan_over({}, now);
        if (!is_success(*found)) return scan_over(best, now);
        begin_lookup(best, now);
    }
    if (found != nullptr) {
        prompt_id_ = id;
        return looked_before_sending(Where::finished, *found, now);
    }
    noted_ = false;
    doubt_since_.reset();
    if (phase_ == Phase::lookup) return not_there(now);
    post_at_ = of_earlier_ ? now : now + retry_pause;
    of_earlier_ = doubtful_ = false;
    phase_ = Phase::post;
}

void Run::scan_history(const HistoryAnswer& answer, TimePoint now) {
    unreachable_since_.reset();
    access_status_.reset();
    const auto* entry = std::get_if<Entry>(&answer);
    if (entry == nullptr) {
        --scan_;  // after submission 0 comes -1, the recent history
        return;
    }
    if (!is_success(entry->entry)) return scan_over(scan_, now);
    begin_lookup(scan_, now);
    take_entry(*entry);
    looked_before_sending(Where::finished, entry->entry, now);
}

/// Nothing of this job lives in ComfyUI. `failed`: the highest submission that ended badly; nothing says
/// that it belonged to this assignment.
void Run::scan_over(std::optional<int> failed, TimePoint now) {
    if (cancelled_) return finish(Outcome::Kind::cancelled);
    if (failed && *failed >= highest_submission) {
        return fail("internal", "this job failed in ComfyUI too often to be tried again here", false,
                    "too_many");
    }
    begin_lookup(failed ? *failed + 1 : 0, now);
}

void Run::looked_while_following(Where where, const Json& entry, TimePoint now) {
    look_at_ = now + rules_.poll_interval;
    switch (where) {
        case Where::finished:
            conclude(entry, now);
            return;
        case Where::absent:
            lost(now);
            return;
        case Where::pending:
            running_since_.reset();
            break;
        case Where::running:
            idle_since_.reset();
            head_since_.reset();
            if (!running_since_) {
                running_since_ = now;
                sign(now);
            }
            // A socket can be up and yet get no directed messages any more (connectors/comfyui/API.md 6.8).
            if (socket_up_ && directed_ && since(std::max(last_sign_, up_since_), now) > deaf_after_) {
                asides_.push_back(Reconnect{});
                deaf_after_ *= 2;
                up_since_ = now;
            }
            break;
    }
    if (settling_) settle(settle_delay_, now);
}

}  // namespace emprops::comfyui
