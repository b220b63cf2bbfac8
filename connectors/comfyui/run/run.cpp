// Asking and sending: what next() wants of the shell, and what the answer to POST /prompt means.

#include "connectors/comfyui/run/run.h"

#include "connectors/comfyui/run/run_parts.h"

namespace emprops::comfyui {
namespace {

/// What a proxy in front says when ComfyUI itself gave no answer.
bool is_gateway_answer(long status) {
    return status == 408 || status == 429 || (status >= 502 && status <= 504);
}

}  // namespace

Run::Run(RunRules rules, const std::vector<Node>& nodes, std::function<std::string(int)> name, TimePoint now)
    : rules_(std::move(rules)),
      name_(std::move(name)),
      began_(now),
      last_sign_(now),
      up_since_(now),
      down_since_(now) {
    for (const Node& node : nodes) {
        loads_[node.id] = node.class_type.find("Load") != std::string::npos;
        nodes_[node.id] = node.sources;
    }
    noted_ = rules_.resume && rules_.resume_from.has_value();
    begin_lookup(noted_ ? std::clamp(*rules_.resume_from, 0, highest_submission) : 0, now);
    if (rules_.resume && !noted_) {
        phase_ = Phase::scan;
        scan_ = -2;
    }
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
    doubtful_ = started_ = executing_seen_ = success_seen_ = settling_ = attached_ = false;
    was_gone_ = of_earlier_ = false;
    event_bytes_ = 0;
    directed_ = true;
    error_seen_.reset();
    event_outputs_.clear();
    output_nodes_.clear();
    outcome_.cached_nodes.clear();
    outcome_.timing = {};
    pending_since_.reset();
    idle_since_.reset();
    running_since_.reset();
    loading_since_.reset();
    started_at_.reset();
    head_since_.reset();
    last_sign_ = now;
    down_ = Ms{0};
    if (down_since_) down_since_ = now;
}

Action Run::next(TimePoint now) {
    // Between the looks of connectors/comfyui/API.md 6.9 no limit cuts in, unless ComfyUI does not let a
    // look be finished.
    if (phase_ != Phase::finished && (look_step_ == 0 || unreachable_since_)) check_limits(now);
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
        case Phase::scan:
            if (now < look_at_) return Wait{look_at_};
            if (scan_ == -2) return AskQueue{};
            if (scan_ == -1) return AskRecent{};
            return AskHistory{name_(scan_)};
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
    if (look_step_ == 3) return AskRecent{};
    return AskHistory{prompt_id_};
}

/// For people, and never without end, since what comes from outside may repeat itself.
void Run::note(std::string text) {
    constexpr std::size_t most = 50;
    if (outcome_.notes.size() < most) outcome_.notes.push_back(std::move(text));
}

/// The prompt of this submission is not in ComfyUI: it is sent, unless an earlier process may have begun to.
void Run::not_there(TimePoint now) {
    if (rules_.resume && rules_.may_be_sent && !looked_for_earlier_) {
        looked_for_earlier_ = of_earlier_ = true;
        doubt("an earlier process of this job may have begun to send it", now);
        look_at_ = now + retry_pause / 4;
        return;
    }
    phase_ = Phase::post;
    post_at_ = now;
}

void Run::doubt(std::string what, TimePoint now) {
    last_problem_ = std::move(what);
    phase_ = Phase::doubt;
    doubtful_ = true;
    if (!doubt_since_) doubt_since_ = now;
    look_step_ = 0;
    look_at_ = now;
}

void Run::on_post(const PostAnswer& answer, TimePoint now) {
    if (phase_ != Phase::post) return;
    ++post_tries_;
    if (!sent_at_) sent_at_ = now;
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
                    note("ComfyUI refused some outputs; the others ran (allow_partial)");
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
                if (is_gateway_answer(error.status)) {
                    doubt("HTTP " + std::to_string(error.status) +
                              " from what stands before ComfyUI: " + error.text,
                          now);
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
                doubt("HTTP " + std::to_string(error.status) + ": " + error.text, now);
            },
            [&](const AccessDenied& denied) {
                access_status_ = denied.status;
                fail("access_denied", "", true, "access");
            },
            [&](const Unreachable& problem) {
                if (problem.sent) {
                    doubt(problem.what, now);
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
    answer_lost_ = phase_ == Phase::doubt;
    phase_ = Phase::follow;
    attached_ = true;
    looked_for_earlier_ = true;
    noted_ = false;
    doubt_since_.reset();
    look_step_ = 0;
    // Events will tell; the first look is only for the case that they do not.
    look_at_ =
        settling_ ? now : now + (socket_up_ ? rules_.poll_interval : std::min(rules_.poll_interval, Ms{500}));
    pending_since_ = now;
    sign(now);
    if (!sent_at_) sent_at_ = now;
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

}  // namespace emprops::comfyui
