#include "connectors/comfyui/run/run.h"

#include <algorithm>
#include <utility>

#include "connectors/comfyui/run/failures.h"

namespace emprops::comfyui {
namespace {

constexpr Ms retry_pause{1'000};
constexpr int looks_left_out = 20;  // of a prompt that runs and is heard
constexpr Ms first_look_without_socket{500};

}  // namespace

Run::Run(RunRules rules, const std::vector<Node>& nodes, Arrival::Names name, TimePoint now)
    : rules_(std::move(rules)),
      name_(std::move(name)),
      graph_(nodes),
      patience_(rules_.limits),
      began_(now),
      submission_(0, {}),
      arrival_(rules_, name_, reach_, submission_, now),
      hearing_(now),
      judge_(rules_, graph_, outcome_) {}

Action Run::next(TimePoint now) {
    // Between the looks of connectors/comfyui/API.md 6.9 no limit cuts in, unless ComfyUI does not let a
    // look be finished.
    const bool looks = phase_ == Phase::arrive ? arrival_.has_begun_to_look() : look_.has_begun();
    if (phase_ != Phase::finished && (!looks || reach_.lost_at)) check_limits(now);
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
        case Phase::arrive:
            return arrival_.next(now);
        case Phase::withdraw:
            if (auto action = withdrawal_->next(prompt_id())) return *std::move(action);
            break;
        case Phase::follow:
            break;
    }
    return look_.next(prompt_id(), now);
}

void Run::on_post(const PostAnswer& answer, TimePoint now) {
    if (phase_ != Phase::arrive) return;
    if (!sent_at_) sent_at_ = now;
    carry_on(arrival_.on_post(answer, now), now);
}

void Run::on_history(const HistoryAnswer& answer, TimePoint now) {
    if (const auto problem = no_answer_in(answer)) return no_answer(*problem, now);
    if (phase_ == Phase::arrive) return carry_on(arrival_.on_history(answer, now), now);
    if (const auto result = look_.on_history(answer)) found(*result, now);
}

void Run::on_queue(const QueueAnswer& answer, TimePoint now) {
    if (const auto problem = no_answer_in(answer)) return no_answer(*problem, now);
    const Queue& queue = std::get<Queue>(answer);
    if (phase_ == Phase::arrive) return carry_on(arrival_.on_queue(queue, now), now);
    const bool ran = submission_.place.runs();
    submission_.on_queue(queue, rules_.mark, submission_.of_earlier, now);
    if (!ran && submission_.place.runs()) hearing_.sign(now);
    if (const auto result = look_.on_queue(queue, prompt_id())) found(*result, now);
}

void Run::on_recent(const RecentAnswer& answer, TimePoint now) {
    if (phase_ == Phase::arrive) carry_on(arrival_.on_recent(answer, now), now);
}

void Run::on_done(bool ok, TimePoint now) {
    if (phase_ == Phase::free_memory) {
        // /free acts after the running prompt; whether it answered or not, the next submission shows.
        phase_ = Phase::arrive;
    } else if (phase_ == Phase::withdraw) {
        if (!ok) reach_.lost(now);
        look_.begin(withdrawal_->on_done(ok, now));
    }
}

void Run::on_cancelled(CancelAnswer answer, TimePoint now) {
    if (phase_ != Phase::withdraw) return;
    if (answer == CancelAnswer::none) reach_.lost(now);
    look_.begin(withdrawal_->on_cancelled(answer, now));
}

void Run::on_event(const Event& event, TimePoint now) {
    if (phase_ == Phase::finished || phase_ == Phase::free_memory) return;
    // The reminder after a reconnect has no id. It is about this client's running prompt, but it answers our
    // connecting, and says nothing about whether the prompt goes on.
    if (event.prompt_id.empty() || event.prompt_id != prompt_id()) return;
    hearing_.event(now);
    if (!submission_.told.started_at()) submission_.place.begun();
    if (const auto* error = std::get_if<NodeError>(&event.body); error != nullptr && error->blocked)
        outcome_.note(blocked_branch_note(*error));
    if (submission_.told.on_event(event, graph_, now)) settle(now);
}

void Run::on_socket(bool up, TimePoint now) {
    if (!hearing_.on_socket(up, now)) return;
    if (!up) submission_.place.on_gone();
    // What was said while nobody listened is not said again: look at once.
    if (phase_ == Phase::follow) look_.come_by(now);
}

void Run::carry_on(Arrival::Result result, TimePoint now) {
    if (auto* arrived = std::get_if<Arrival::Arrived>(&result)) {
        follow(std::move(*arrived), now);
    } else if (auto* refused = std::get_if<Refused>(&result)) {
        outcome_.refusal = std::move(refused->body);
        finish(Outcome::Kind::refused);
    } else if (auto* failure = std::get_if<Failure>(&result)) {
        if (submission_.doubtful) {
            abandon();
            outcome_.doubtful = true;
        }
        fail(std::move(*failure));
    } else if (std::holds_alternative<Arrival::NothingToWithdraw>(result)) {
        finish(Outcome::Kind::cancelled);
    }
}

void Run::follow(Arrival::Arrived arrived, TimePoint now) {
    phase_ = Phase::follow;
    if (!sent_at_) sent_at_ = now;
    hearing_.sign(now);
    if (!arrived.note.empty()) outcome_.note(std::move(arrived.note));
    if (arrived.found) {
        // A cancel came while it was looked for.
        if (arrived.found->where != Where::finished && std::exchange(cancelled_, false)) return cancel(now);
        return found_while_following(*arrived.found, now);
    }
    // Events will tell; the first look is only for the case that they do not.
    const Ms first =
        hearing_.up() ? rules_.poll_interval : std::min(rules_.poll_interval, first_look_without_socket);
    look_.begin(submission_.told.settling().on(now) ? now : now + first);
    if (!arrived.node_errors.is_object() || arrived.node_errors.empty()) return;
    if (rules_.allow_partial) {
        outcome_.note("ComfyUI refused some outputs; the others ran (allow_partial)");
    } else {
        withdraw({Outcome::Kind::refused, {}, {{"node_errors", arrived.node_errors}}}, now);
    }
}

void Run::no_answer(const NoAnswer& problem, TimePoint now) {
    const TimePoint again = now + std::min(rules_.poll_interval, retry_pause);
    look_.begin(again);
    arrival_.on_no_answer(again, now);
    reach_.lost(now);
    if (const auto* denied = std::get_if<AccessDenied>(&problem)) {
        reach_.denied = *denied;
        reach_.problem = denied->what;
        // Before anything was sent there is no reason to wait for a proxy to change its mind.
        const bool first = phase_ == Phase::arrive && arrival_.is_first_look();
        if (first && judge_.resubmissions() == 0) fail(denied_failure(*denied));
        return;
    }
    const auto& unreachable = std::get<Unreachable>(problem);
    reach_.denied.reset();
    reach_.problem = unreachable.what;
    if (!unreachable.gone) return;
    submission_.place.on_gone();
    // With the process its queue is gone; where only the way to it is, the monitor goes on.
    if (phase_ == Phase::withdraw) {
        abandon();
        withdrawn();
    } else if (phase_ == Phase::arrive && arrival_.is_scanning() && cancelled_) {
        abandon();
        finish(Outcome::Kind::cancelled);
    }
}

void Run::found(const Found& found, TimePoint now) {
    reach_.answered();
    if (phase_ == Phase::follow) {
        found_while_following(found, now);
    } else if (phase_ == Phase::withdraw) {
        found_while_withdrawing(found, now);
    }
}

void Run::found_while_following(const Found& found, TimePoint now) {
    look_.begin(now + rules_.poll_interval);
    switch (found.where) {
        case Where::finished:
            return carry_out(judge_.ended(submission_, found.entry, cancelled_, false), now);
        case Where::absent:
            return carry_out(judge_.vanished(submission_, cancelled_), now);
        case Where::running:
            if (submission_.place.directed() && hearing_.is_deaf(now)) asides_.push_back(Reconnect{});
            // Its events tell; the look is only for the case that they do not.
            if (submission_.place.directed() && hearing_.up())
                look_.begin_with_queue(now + rules_.poll_interval * looks_left_out);
            break;
        case Where::pending:
        case Where::unclear:
            break;
    }
    if (submission_.told.settling().on(now)) settle(now);
}

void Run::settle(TimePoint now) {
    const TimePoint at = now + submission_.told.settling().next_delay(rules_.poll_interval);
    phase_ == Phase::arrive ? arrival_.come_by(at) : look_.come_by(at);
}

void Run::carry_out(Judge::Verdict verdict, TimePoint now) {
    if (const auto* again = std::get_if<Judge::Again>(&verdict)) return run_again(*again, now);
    auto& end = std::get<Judge::End>(verdict);
    if (end.restart) asides_.push_back(std::move(*end.restart));
    finish(end.kind);
}

void Run::run_again(Judge::Again again, TimePoint now) {
    arrival_.begin(submission() + 1, now);
    phase_ = again.free_memory ? Phase::free_memory : Phase::arrive;
}

bool Run::files_gone(TimePoint now) {
    const auto again = judge_.files_gone();
    if (again) run_again(*again, now);
    return again.has_value();
}

bool Run::pictures_missing(const std::string& why, TimePoint now) {
    const auto again = judge_.pictures_missing(submission_, why);
    if (again) run_again(*again, now);
    return again.has_value();
}

/// Since when it has said nothing although it could be heard.
std::optional<TimePoint> Run::silent_since(TimePoint now) const {
    const Place& place = submission_.place;
    if (!place.runs() || !hearing_.up() || !place.directed()) return {};
    return now - hearing_.silence(now);
}

Waits Run::waits(TimePoint now) const {
    Waits waits;
    waits.began = sent_at_.value_or(began_);
    waits.sent = sent_at_ || arrival_.is_noted();
    waits.unreachable = reach_.lost_at;
    // The end was announced: the history is about to say so.
    if (phase_ != Phase::follow || reach_.lost_at || submission_.told.settling().on(now)) return waits;
    const Place& place = submission_.place;
    waits.idle = place.idle_since();
    waits.queued = place.waiting_since();
    if (place.head()) waits.behind = place.head()->since;
    waits.silent = silent_since(now);
    return waits;
}

void Run::check_limits(TimePoint now) {
    using Verdict = Patience::Verdict;
    if (phase_ == Phase::withdraw) {
        if (!withdrawal_->is_over(now)) return;
        abandon();
        if (withdrawal_->reason().suspicious && position() == 0) {
            asides_.push_back(
                RestartService{"ComfyUI answers but its worker thread does not: a prompt neither "
                               "went on nor could be interrupted",
                               false, prompt_id()});
        }
        return withdrawn();
    }
    const bool scanning = phase_ == Phase::arrive && arrival_.is_scanning();
    if (scanning && cancelled_) {
        if (!arrival_.gave_up(now)) return;
        abandon();
        return finish(Outcome::Kind::cancelled);
    }
    const auto verdict = patience_.verdict(waits(now), now);
    if (!verdict) return;
    const auto& head = submission_.place.head();
    Withdrawal::Reason reason;
    reason.kind = Outcome::Kind::failed;
    reason.failure = patience_.failure(*verdict, reach_.problem, head);
    switch (*verdict) {
        case Verdict::unreachable:
            if (attached() || submission_.doubtful || scanning || arrival_.is_noted()) abandon();
            return fail(reach_.denied ? denied_failure(*reach_.denied) : std::move(reason.failure));
        case Verdict::not_sent:
            if (scanning) abandon();
            return fail(std::move(reason.failure));
        case Verdict::took_too_long:
            // A long one is no sign of a broken ComfyUI; one that could be heard and said nothing for long is.
            reason.suspicious = patience_.is_too_silent(silent_since(now), now);
            break;
        case Verdict::silent_worker:
            asides_.push_back(
                RestartService{"ComfyUI answers but runs nothing although prompts wait: its worker thread "
                               "is silent",
                               false,
                               {}});
            break;
        case Verdict::queued:
            break;
        case Verdict::blocked:
            // That prompt may be long and healthy: only the monitor decides, much later, that nothing moves.
            asides_.push_back(Blocked{head->prompt_id, head->mark, head->since});
            break;
        case Verdict::no_progress:
            reason.suspicious = true;
            break;
    }
    withdraw(std::move(reason), now);
}

void Run::cancel(TimePoint now) {
    if (phase_ == Phase::finished || cancelled_) return;
    cancelled_ = true;
    if (phase_ == Phase::withdraw) return withdrawal_->cancel();
    // Which prompt is to be taken back is what the arrival finds out.
    if (phase_ == Phase::arrive && arrival_.cancel(now + rules_.limits.cancel, now)) return;
    // A prompt that an earlier process may have sent must be taken back too.
    if (phase_ == Phase::follow || submission_.doubtful || arrival_.is_noted()) return withdraw({}, now);
    finish(Outcome::Kind::cancelled);
}

void Run::withdraw(Withdrawal::Reason reason, TimePoint now) {
    withdrawal_.emplace(std::move(reason), now + rules_.limits.cancel, now);
    phase_ = Phase::withdraw;
    look_.begin(now);
}

void Run::found_while_withdrawing(const Found& found, TimePoint now) {
    look_.begin(now + Withdrawal::look_pause);
    // A POST without an answer may still be on its way into the queue.
    if (found.where == Where::absent && submission_.doubtful && !attached()) {
        abandon();
        outcome_.doubtful = true;
    }
    if (found.where != Where::absent) submission_.doubtful = false;
    if (!withdrawal_->on_found(found.where, now)) return;
    // Over a time limit, and done in the last moment: that is a result all the same.
    if (found.where == Where::finished && withdrawal_->reason().kind == Outcome::Kind::failed &&
        is_success(found.entry.entry)) {
        return carry_out(judge_.ended(submission_, found.entry, cancelled_, true), now);
    }
    withdrawn();
}

void Run::withdrawn() {
    outcome_.failure = withdrawal_->reason().failure;
    outcome_.refusal = withdrawal_->reason().refusal;
    finish(withdrawal_->reason().kind);
}

/// The prompt may still be in ComfyUI, and somebody else must see it off.
void Run::abandon() {
    outcome_.abandoned = true;
    outcome_.unwanted = {prompt_id()};
    if (phase_ != Phase::arrive || !arrival_.is_scanning()) return;
    outcome_.doubtful = true;
    outcome_.unwanted = arrival_.possible_ids();
}

void Run::fail(Failure failure) {
    outcome_.failure = std::move(failure);
    finish(Outcome::Kind::failed);
}

void Run::finish(Outcome::Kind kind) {
    phase_ = Phase::finished;
    outcome_.kind = kind;
    outcome_.prompt_id = prompt_id();
    outcome_.cached_nodes = submission_.cached_nodes();
    outcome_.origin = submission_.origin;
    outcome_.timing = {
        {}, submission_.told.load_time(), submission_.ending.execute, submission_.ending.ended_at_ms};
    const auto& started = submission_.told.started_at();
    if (sent_at_ && started && *started >= *sent_at_) outcome_.timing.queued = since(*sent_at_, *started);
}

}  // namespace emprops::comfyui
