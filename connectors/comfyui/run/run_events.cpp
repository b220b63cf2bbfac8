// Events, and the limits that every wait has.

#include "connectors/comfyui/run/run_parts.h"
#include "connectors/comfyui/text/tolerant_json.h"
#include "ipc/text/utf8.h"

namespace emprops::comfyui {
namespace {

constexpr Ms settle_limit{60'000};

void merge(Json& into, const Json& from) {
    if (!into.is_object()) into = Json::object();
    if (!from.is_object()) return;
    for (const auto& [key, value] : from.items()) {
        if (into.contains(key) && into[key].is_array() && value.is_array()) {
            into[key].insert(into[key].end(), value.begin(), value.end());
        } else {
            into[key] = value;
        }
    }
}

}  // namespace

void Run::on_socket(bool up, TimePoint now) {
    if (up == socket_up_) return;
    socket_up_ = up;
    // Silence counts only while somebody could listen; a new socket is no sign of the prompt.
    if (up) {
        if (down_since_) down_ += since(*down_since_, now);
        down_since_.reset();
        up_since_ = now;
    } else {
        down_since_ = now;
        was_gone_ = true;
    }
    // What was said while nobody listened is not said again: look at once.
    if (phase_ == Phase::follow && look_step_ == 0) look_at_ = std::min(look_at_, now);
}

void Run::on_event(const Event& event, TimePoint now) {
    if (phase_ == Phase::finished || phase_ == Phase::free_memory) return;
    // The reminder after a reconnect has no id. It is about this client's running prompt, but it answers our
    // connecting, and says nothing about whether the prompt goes on.
    if (event.prompt_id.empty() || event.prompt_id != prompt_id_) return;
    sign(now);
    deaf_after_ = first_deaf_after;
    if (!started_) {
        started_ = true;
        started_at_ = now;
        running_since_ = now;
        idle_since_.reset();
        head_since_.reset();
        position_ = 0;
    }
    std::visit(
        Overload{[&](const Started&) {}, [&](const Cached& cached) { outcome_.cached_nodes = cached.nodes; },
                 [&](const Executing& executing) {
                     executing_seen_ = true;
                     if (loading_since_) {
                         outcome_.timing.load =
                             outcome_.timing.load.value_or(Ms{0}) + since(*loading_since_, now);
                         loading_since_.reset();
                     }
                     const auto node = loads_.find(executing.node);
                     if (node != loads_.end() && node->second) loading_since_ = now;
                 },
                 [&](const NodeProgress&) {}, [&](const ProgressState&) {},
                 [&](const Executed& executed) {
                     event_bytes_ += event.bytes;
                     if (executed.output.is_object() && event_bytes_ <= max_event_outputs)
                         merge(event_outputs_[executed.node], executed.output);
                 },
                 [&](const Succeeded&) {
                     success_seen_ = true;
                     settle(Ms{100}, now);
                 },
                 [&](const Interrupted&) { settle(Ms{100}, now); },
                 [&](const NodeError& error) {
                     if (error.blocked) {
                         note("node \"" + error.node +
                              "\" blocked its branch: " + std::string(text::cut(error.message, 300)));
                         return;
                     }
                     error_seen_ = error;
                     settle(Ms{100}, now);
                 },
                 [&](const Ended&) { settle(Ms{0}, now); }},
        event.body);
}

void Run::settle(Ms delay, TimePoint now) {
    if (!settling_) settling_since_ = now;
    settling_ = true;
    settle_delay_ = std::min(std::max(delay * 2, Ms{100}), rules_.poll_interval);
    look_at_ = std::min(look_at_, now + delay);
}

void Run::sign(TimePoint now) {
    last_sign_ = now;
    down_ = Ms{0};
    if (down_since_) down_since_ = now;
}

/// How long the prompt has said nothing although it could be heard.
Ms Run::silence(TimePoint now) const {
    return since(last_sign_, now) - down_ - (down_since_ ? since(*down_since_, now) : Ms{0});
}

void Run::check_limits(TimePoint now) {
    const Limits& limits = rules_.limits;
    if (phase_ == Phase::withdraw || (phase_ == Phase::scan && cancelled_)) {
        if (now < withdraw_until_) return;
        if (cancelled_ && phase_ == Phase::scan) {
            abandon();
            return finish(Outcome::Kind::cancelled);
        }
        abandon();
        if (suspicious_ && position_ == 0) {
            asides_.push_back(
                RestartService{"ComfyUI answers but its worker thread does not: a prompt neither "
                               "went on nor could be interrupted",
                               false, prompt_id_});
        }
        return end_withdraw();
    }
    if (unreachable_since_ && since(*unreachable_since_, now) >= limits.unreachable) {
        if (attached_ || doubtful_ || phase_ == Phase::scan || noted_) abandon();
        if (access_status_) return fail("access_denied", "", true, "access");
        return fail(
            "service_unavailable",
            "ComfyUI did not answer for " + seconds_text(limits.unreachable) + " (" + last_problem_ + ")",
            true, "unreachable");
    }
    if (since(sent_at_.value_or(began_), now) >= limits.total) {
        // A long one is no sign of a broken ComfyUI; one that could be heard and said nothing for long is.
        suspicious_ = running_since_ && socket_up_ && directed_ && silence(now) >= limits.no_progress;
        if (!sent_at_ && !noted_) {
            if (phase_ == Phase::scan) abandon();
            return fail("timeout",
                        "the prompt could not be sent within total_timeout (" + seconds_text(limits.total) +
                            "); " + last_problem_,
                        true, "total_timeout");
        }
        return begin_withdraw(
            failed_outcome("timeout",
                           "the prompt took longer than total_timeout (" + seconds_text(limits.total) + ")",
                           "total_timeout"),
            now);
    }
    if (phase_ != Phase::follow || unreachable_since_) return;
    // The end was announced: the history is about to say so. It has a minute for it.
    if (settling_ && since(settling_since_, now) < settle_limit) return;
    settling_ = false;
    if (idle_since_ && since(*idle_since_, now) >= limits.start) {
        asides_.push_back(
            RestartService{"ComfyUI answers but runs nothing although prompts wait: its worker thread "
                           "is silent",
                           false,
                           {}});
        return begin_withdraw(failed_outcome("service_unavailable",
                                             "ComfyUI answers but has not begun any prompt for " +
                                                 seconds_text(limits.start) + ": its worker thread is silent",
                                             "silent_worker"),
                              now);
    }
    if (!running_since_ && pending_since_ && since(*pending_since_, now) >= limits.queue_wait) {
        return begin_withdraw(
            failed_outcome("timeout",
                           "the prompt waited longer than queue_timeout (" + seconds_text(limits.queue_wait) +
                               ") behind other prompts in ComfyUI",
                           "queue_timeout"),
            now);
    }
    if (!running_since_ && head_since_ && since(*head_since_, now) >= limits.no_progress) {
        // That prompt may be long and healthy: only the monitor decides, much later, that nothing moves.
        asides_.push_back(Blocked{head_, head_mark_, *head_since_});
        return begin_withdraw(
            failed_outcome("service_unavailable",
                           owner_text(head_, head_mark_) + " has been the running one in ComfyUI for " +
                               seconds_text(limits.no_progress) + " (no_progress_timeout)",
                           "blocked"),
            now);
    }
    // Silence says something only while events could arrive.
    if (running_since_ && socket_up_ && directed_ && silence(now) >= limits.no_progress) {
        suspicious_ = true;
        return begin_withdraw(
            failed_outcome("timeout",
                           "the prompt showed no sign of progress for no_progress_timeout (" +
                               seconds_text(limits.no_progress) + ")",
                           "no_progress"),
            now);
    }
}

}  // namespace emprops::comfyui
