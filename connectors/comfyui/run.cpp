#include "connectors/comfyui/run.h"

#include <algorithm>

namespace emprops::comfyui {
namespace {

constexpr int highest_submission = 16;
constexpr int max_post_tries = 4;
constexpr Ms doubt_period{4'000};  // a POST that timed out may still be on its way through validation
constexpr Ms retry_pause{1'000};

template <class... Fs>
struct Overload : Fs... {
    using Fs::operator()...;
};
template <class... Fs>
Overload(Fs...) -> Overload<Fs...>;

Ms since(TimePoint then, TimePoint now) {
    return std::chrono::duration_cast<Ms>(now - then);
}

std::string seconds(Ms time) {
    return std::to_string(time.count() / 1000) + " s";
}

const QueueItem* find(const std::vector<QueueItem>& items, const std::string& id) {
    const auto at =
        std::find_if(items.begin(), items.end(), [&](const auto& item) { return item.prompt_id == id; });
    return at == items.end() ? nullptr : &*at;
}

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

Run::Run(RunRules rules, const std::vector<Node>& nodes, std::function<std::string(int)> name, TimePoint now)
    : rules_(std::move(rules)), name_(std::move(name)), began_(now), last_sign_(now) {
    for (const Node& node : nodes) {
        loads_[node.id] = node.class_type.find("Load") != std::string::npos;
    }
    scanning_ = rules_.resume;
    // A resumed job may have been sent more than once by its earlier process; the newest counts.
    begin_lookup(scanning_ ? rules_.max_resubmissions + 2 : 0, now);
}

void Run::begin_lookup(int submission, TimePoint now) {
    submission_ = submission;
    prompt_id_ = name_(submission);
    phase_ = Phase::lookup;
    look_step_ = 0;
    look_at_ = now;
    post_tries_ = 0;
    server_errors_ = 0;
    position_ = -1;
    started_ = success_seen_ = settling_ = attached_ = false;
    error_seen_.reset();
    event_outputs_.clear();
    pending_since_.reset();
    idle_since_.reset();
    running_since_.reset();
    loading_since_.reset();
}

Action Run::next(TimePoint now) {
    if (phase_ != Phase::finished && look_step_ == 0) check_limits(now);
    if (!asides_.empty()) {
        Action action = std::move(asides_.front());
        asides_.pop_front();
        return action;
    }
    switch (phase_) {
        case Phase::finished:
            return Finish{};
        case Phase::free_memory:
            return FreeMemory{};
        case Phase::post:
            if (now < post_at_) return Wait{post_at_};
            return SendPrompt{prompt_id_, submission_};
        case Phase::withdraw:
            if (withdraw_step_ == Step::remove) return DeletePending{prompt_id_};
            if (withdraw_step_ == Step::interrupt) return Interrupt{prompt_id_};
            break;
        case Phase::lookup:
        case Phase::doubt:
        case Phase::follow:
            break;
    }
    if (look_step_ == 0 && now < look_at_) return Wait{look_at_};
    if (look_step_ == 1) return AskQueue{};
    return AskHistory{prompt_id_};
}

// ---- sending

void Run::on_post(const PostAnswer& answer, TimePoint now) {
    if (phase_ != Phase::post) return;
    ++post_tries_;
    if (!sent_at_) sent_at_ = now;
    const auto doubtful = [&](std::string what) {
        last_problem_ = std::move(what);
        phase_ = Phase::doubt;
        if (!doubt_since_) doubt_since_ = now;
        look_step_ = 0;
        look_at_ = now;
    };
    std::visit(
        Overload{
            [&](const Accepted& accepted) {
                // Servers before July 2025 ignore our id and make one of their own.
                if (!accepted.prompt_id.empty()) prompt_id_ = accepted.prompt_id;
                const bool partial = accepted.node_errors.is_object() && !accepted.node_errors.empty();
                attach(now);
                unreachable_since_.reset();
                if (partial && !rules_.allow_partial) {
                    Outcome outcome;
                    outcome.kind = Outcome::Kind::refused;
                    outcome.refusal = {{"node_errors", accepted.node_errors}};
                    begin_withdraw(std::move(outcome), now);
                } else if (partial) {
                    outcome_.notes.push_back("ComfyUI refused some outputs; the others ran (allow_partial)");
                }
            },
            [&](const Refused& refused) {
                outcome_.refusal = refused.body;
                finish(Outcome::Kind::refused);
            },
            [&](const ServerError& error) {
                if (error.status == 413) {
                    fail("invalid_payload",
                         "the workflow is larger than ComfyUI accepts (" + error.text +
                             "); start ComfyUI with a higher --max-upload-size or send pictures as inputs",
                         false, "too_large");
                    return;
                }
                if (error.status < 500) {
                    fail("service_error",
                         "ComfyUI answered POST /prompt with HTTP " + std::to_string(error.status) +
                             "; check server_url and path_prefix: " + error.text,
                         false, "not_comfyui");
                    return;
                }
                ++server_errors_;
                doubtful("HTTP " + std::to_string(error.status) + ": " + error.text);
            },
            [&](const AccessDenied& denied) {
                access_status_ = denied.status;
                fail("access_denied", "", true, "access");
            },
            [&](const Unreachable& problem) {
                if (problem.sent) {
                    doubtful(problem.what);
                    return;
                }
                last_problem_ = problem.what;
                if (!unreachable_since_) unreachable_since_ = now;
                --post_tries_;  // nothing was sent
                post_at_ = now + retry_pause;
            }},
        answer);
}

void Run::attach(TimePoint now) {
    phase_ = Phase::follow;
    attached_ = true;
    doubt_since_.reset();
    look_step_ = 0;
    // Events will tell; the first look is only for the case that they do not.
    look_at_ =
        settling_ ? now : now + (socket_up_ ? rules_.poll_interval : std::min(rules_.poll_interval, Ms{500}));
    pending_since_ = now;
    last_sign_ = now;
    if (!sent_at_) sent_at_ = now;
}

// ---- looking (6.9)

void Run::on_history(const HistoryAnswer& answer, TimePoint now) {
    if (const auto* denied = std::get_if<AccessDenied>(&answer)) return look_problem(*denied, now);
    if (const auto* problem = std::get_if<Unreachable>(&answer)) return look_problem(*problem, now);
    unreachable_since_.reset();
    access_status_.reset();
    if (const auto* entry = std::get_if<Entry>(&answer)) {
        look_step_ = 0;
        looked(Where::finished, entry->entry, now);
    } else if (look_step_ == 0) {
        look_step_ = 1;
    } else {
        look_step_ = 0;
        looked(Where::absent, {}, now);
    }
}

void Run::on_queue(const QueueAnswer& answer, TimePoint now) {
    if (const auto* denied = std::get_if<AccessDenied>(&answer)) return look_problem(*denied, now);
    if (const auto* problem = std::get_if<Unreachable>(&answer)) return look_problem(*problem, now);
    const Queue& queue = std::get<Queue>(answer);
    queue_length_ = static_cast<int>(queue.running.size() + queue.pending.size());
    const auto take_outputs = [&](const QueueItem& item) {
        if (!item.outputs.empty()) output_nodes_ = item.outputs;
    };
    if (const QueueItem* item = find(queue.running, prompt_id_)) {
        take_outputs(*item);
        position_ = 0;
        look_step_ = 0;
        looked(Where::running, {}, now);
    } else if (const QueueItem* waiting = find(queue.pending, prompt_id_)) {
        take_outputs(*waiting);
        position_ = static_cast<int>(waiting - queue.pending.data()) + static_cast<int>(queue.running.size());
        position_ = std::max(position_, 1);
        if (!queue.running.empty()) {
            idle_since_.reset();
        } else if (!idle_since_) {
            idle_since_ = now;
        }
        look_step_ = 0;
        looked(Where::pending, {}, now);
    } else {
        look_step_ = 2;
    }
}

void Run::look_problem(const std::variant<AccessDenied, Unreachable>& problem, TimePoint now) {
    look_step_ = 0;
    if (!unreachable_since_) unreachable_since_ = now;
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
    }
    look_at_ = now + std::min(rules_.poll_interval, retry_pause);
}

void Run::looked(Where where, const Json& entry, TimePoint now) {
    switch (phase_) {
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
        if (phase_ == Phase::lookup) outcome_.notes.push_back("found the prompt again that was sent before");
        scanning_ = false;
        attach(now);
        looked_while_following(where, entry, now);
        return;
    }
    if (where == Where::finished) {
        const bool success = status_of(entry) == "success";
        // In doubt, this run's own prompt ended already. Found by a lookup, it is an earlier assignment's:
        // its success is this job's result; its failure is the reason why the job came again.
        if (phase_ == Phase::doubt || scanning_ || success) {
            if (phase_ == Phase::lookup)
                outcome_.notes.push_back("the prompt had been run before; took its result");
            scanning_ = false;
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
        if (scanning_ && submission_ > 0) {
            begin_lookup(submission_ - 1, now);
            return;
        }
        scanning_ = false;
        phase_ = Phase::post;
        post_at_ = now;
        return;
    }
    // Doubt: ComfyUI does not know it. Not yet, perhaps.
    if (server_errors_ >= 2) {
        fail("service_error", "ComfyUI failed to take the workflow: " + last_problem_, false, "server_error");
    } else if (post_tries_ >= max_post_tries) {
        fail("service_unavailable", "ComfyUI did not take the workflow: " + last_problem_, true,
             "unreachable");
    } else if (server_errors_ > 0 || since(*doubt_since_, now) >= doubt_period) {
        doubt_since_.reset();
        phase_ = Phase::post;
        post_at_ = now + retry_pause;
    } else {
        look_at_ = now + retry_pause;
    }
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
            if (!running_since_) {
                running_since_ = now;
                last_sign_ = std::max(last_sign_, now);
            }
            // 6.8: a socket can be up and yet get no directed messages any more.
            if (socket_up_ && since(last_sign_, now) > deaf_after_) {
                asides_.push_back(Reconnect{});
                deaf_after_ *= 2;
            }
            break;
    }
    if (settling_) settle(settle_delay_, now);
}

void Run::settle(Ms delay, TimePoint now) {
    settling_ = true;
    settle_delay_ = std::min(std::max(delay * 2, Ms{100}), rules_.poll_interval);
    look_at_ = std::min(look_at_, now + delay);
}

void Run::lost(TimePoint now) {
    // The end was seen on the socket, and somebody cleared the history before we read it.
    if (error_seen_) return node_failed(*error_seen_, now);
    if (success_seen_ && !event_outputs_.empty()) {
        outcome_.notes.push_back("the history entry was gone; outputs are those that the events named");
        return conclude_success(Json(event_outputs_), now);
    }
    if (resubmissions_ >= rules_.max_resubmissions || submission_ >= highest_submission) {
        fail("lost",
             "the prompt vanished from ComfyUI without a result" +
                 std::string(resubmissions_ > 0 ? ", again after it was sent once more" : "") +
                 "; ComfyUI was restarted, or somebody cleared its queue or history",
             true, "lost");
        return;
    }
    ++resubmissions_;
    outcome_.notes.push_back("the prompt vanished from ComfyUI and was sent again");
    begin_lookup(submission_ + 1, now);
}

// ---- the end of a prompt

void Run::conclude(const Json& entry, TimePoint now) {
    const Json status = entry.value("status", Json());
    std::optional<NodeError> error;
    bool interrupted = false;
    std::optional<double> began, ended;
    if (status.is_object() && status.contains("messages") && status.at("messages").is_array()) {
        for (const Json& message : status.at("messages")) {
            if (!message.is_array() || message.size() < 2 || !message[0].is_string()) continue;
            const std::string type = message[0];
            if (message[1].is_object() && message[1].contains("timestamp") &&
                message[1].at("timestamp").is_number()) {
                const double at = message[1].at("timestamp");
                if (type == "execution_start") {
                    began = at;
                } else {
                    ended = at;
                }
            }
            auto event = read_event(type, message[1]);
            if (!event) continue;
            if (auto* failed = std::get_if<NodeError>(&event->body); failed != nullptr && !failed->blocked) {
                error = std::move(*failed);
            }
            if (const auto* cached = std::get_if<Cached>(&event->body)) outcome_.cached_nodes = cached->nodes;
            interrupted = interrupted || std::holds_alternative<Interrupted>(event->body);
        }
    }
    if (began && ended && *ended >= *began) {
        outcome_.timing.execute = Ms{static_cast<std::int64_t>(*ended - *began)};
    }
    Json outputs = entry.value("outputs", Json::object());
    // Trust an error message over status_str: a dynamic circle can leave the last prompt's word there.
    if (error) {
        outcome_.outputs = std::move(outputs);
        return node_failed(std::move(*error), now);
    }
    if (interrupted) {
        if (cancelled_) return finish(Outcome::Kind::cancelled);
        return fail(
            "comfyui.interrupted",
            "somebody stopped the prompt in ComfyUI (its stop button, or another program's interrupt)", true,
            "interrupted");
    }
    if (status_of(entry) == "error") {
        return fail("service_error", "ComfyUI reports that the prompt failed and gives no reason", false,
                    "node_error");
    }
    if (!outputs.is_object()) outputs = Json::object();
    if (outputs.empty() && !event_outputs_.empty()) outputs = Json(event_outputs_);
    conclude_success(std::move(outputs), now);
}

void Run::conclude_success(Json outputs, TimePoint now) {
    // All from the cache and nothing named: the pictures exist somewhere, and only a new run says where.
    if (outputs.empty() && !outcome_.cached_nodes.empty() && !rerun_ && phase_ == Phase::follow) {
        rerun_ = true;
        return again_with_free_memory("ComfyUI took everything from its cache and named no output; ran again",
                                      now);
    }
    outcome_.outputs = std::move(outputs);
    finish(Outcome::Kind::succeeded);
}

void Run::node_failed(NodeError error, TimePoint now) {
    if (is_out_of_memory(error) && !memory_freed_ && !cancelled_ && phase_ == Phase::follow) {
        memory_freed_ = true;
        return again_with_free_memory("out of memory; unloaded the models and ran again", now);
    }
    if (is_sticky_gpu_fault(error)) {
        asides_.push_back(
            RestartService{"a GPU fault that only a restart cures: " + error.message.substr(0, 200)});
    }
    outcome_.node_error = std::move(error);
    finish(Outcome::Kind::node_failed);
}

void Run::again_with_free_memory(const std::string& note, TimePoint now) {
    outcome_.notes.push_back(note);
    begin_lookup(submission_ + 1, now);
    phase_ = Phase::free_memory;
}

bool Run::files_gone(TimePoint now) {
    if (outcome_.kind != Outcome::Kind::succeeded || rerun_) return false;
    rerun_ = true;
    again_with_free_memory("files that ComfyUI named were gone; ran again", now);
    return true;
}

void Run::finish(Outcome::Kind kind) {
    phase_ = Phase::finished;
    look_step_ = 0;
    outcome_.kind = kind;
    outcome_.prompt_id = prompt_id_;
    if (sent_at_ && started_at_ && *started_at_ >= *sent_at_)
        outcome_.timing.queued = since(*sent_at_, *started_at_);
}

Outcome Run::failed_outcome(std::string code, std::string message, const char* error_class) const {
    Outcome outcome;
    outcome.failure.code = std::move(code);
    outcome.failure.message = std::move(message);
    outcome.failure.details = {{"class", error_class}};
    return outcome;
}

void Run::fail(std::string code, std::string message, bool retryable, const char* error_class) {
    outcome_.failure = failed_outcome(std::move(code), std::move(message), error_class).failure;
    outcome_.failure.retryable = retryable;
    if (access_status_) outcome_.failure.details["http_status"] = *access_status_;
    finish(Outcome::Kind::failed);
}

// ---- events

void Run::on_socket(bool up, TimePoint now) {
    if (up == socket_up_) return;
    socket_up_ = up;
    last_sign_ = now;  // silence before counted for nothing
    deaf_after_ = Ms{60'000};
    // What was said while nobody listened is not said again: look at once.
    if (phase_ == Phase::follow && look_step_ == 0) look_at_ = std::min(look_at_, now);
}

void Run::on_event(const Event& event, TimePoint now) {
    if (phase_ == Phase::finished || phase_ == Phase::free_memory) return;
    // The reminder after a reconnect has no id: it is about this client's running prompt.
    if (event.prompt_id.empty() ? !(attached_ && running_since_) : event.prompt_id != prompt_id_) return;
    last_sign_ = now;
    if (!started_) {
        started_ = true;
        started_at_ = now;
        running_since_ = now;
        idle_since_.reset();
        position_ = 0;
    }
    std::visit(
        Overload{[&](const Started&) {}, [&](const Cached& cached) { outcome_.cached_nodes = cached.nodes; },
                 [&](const Executing& executing) {
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
                     if (executed.output.is_object()) merge(event_outputs_[executed.node], executed.output);
                 },
                 [&](const Succeeded&) {
                     success_seen_ = true;
                     settle(Ms{100}, now);
                 },
                 [&](const Interrupted&) { settle(Ms{100}, now); },
                 [&](const NodeError& error) {
                     if (error.blocked) {
                         outcome_.notes.push_back("node \"" + error.node +
                                                  "\" blocked its branch: " + error.message.substr(0, 300));
                         return;
                     }
                     error_seen_ = error;
                     settle(Ms{100}, now);
                 },
                 [&](const Ended&) { settle(Ms{0}, now); }},
        event.body);
}

// ---- limits

void Run::check_limits(TimePoint now) {
    const Limits& limits = rules_.limits;
    if (phase_ == Phase::withdraw) {
        if (now < withdraw_until_) return;
        outcome_.abandoned = true;
        if (suspicious_) {
            asides_.push_back(
                RestartService{"ComfyUI answers but its worker thread does not: a prompt neither "
                               "went on nor could be interrupted"});
        }
        outcome_.failure = after_withdraw_.failure;
        outcome_.refusal = after_withdraw_.refusal;
        return finish(after_withdraw_.kind);
    }
    if (unreachable_since_ && since(*unreachable_since_, now) >= limits.unreachable) {
        outcome_.abandoned = attached_ || phase_ == Phase::doubt;
        if (access_status_) return fail("access_denied", "", true, "access");
        return fail("service_unavailable",
                    "ComfyUI did not answer for " + seconds(limits.unreachable) + " (" + last_problem_ + ")",
                    true, "unreachable");
    }
    if (sent_at_ && since(*sent_at_, now) >= limits.total) {
        return begin_withdraw(
            failed_outcome("timeout",
                           "the prompt took longer than total_timeout (" + seconds(limits.total) + ")",
                           "total_timeout"),
            now);
    }
    if (phase_ != Phase::follow || settling_ || unreachable_since_) return;
    if (idle_since_ && since(*idle_since_, now) >= limits.start) {
        asides_.push_back(
            RestartService{"ComfyUI answers but runs nothing although prompts wait: its worker thread "
                           "is silent"});
        return begin_withdraw(failed_outcome("service_unavailable",
                                             "ComfyUI answers but has not begun any prompt for " +
                                                 seconds(limits.start) + ": its worker thread is silent",
                                             "silent_worker"),
                              now);
    }
    if (!running_since_ && pending_since_ && since(*pending_since_, now) >= limits.queue_wait) {
        return begin_withdraw(
            failed_outcome("timeout",
                           "the prompt waited longer than queue_timeout (" + seconds(limits.queue_wait) +
                               ") behind other prompts in ComfyUI",
                           "queue_timeout"),
            now);
    }
    // Silence says something only while events could arrive.
    if (running_since_ && socket_up_ && since(last_sign_, now) >= limits.no_progress) {
        suspicious_ = true;
        return begin_withdraw(
            failed_outcome("timeout",
                           "the prompt showed no sign of progress for no_progress_timeout (" +
                               seconds(limits.no_progress) + ")",
                           "no_progress"),
            now);
    }
}

}  // namespace emprops::comfyui
