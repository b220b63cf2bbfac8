// The part of the run that takes a prompt back: cancel, time limits, a prompt that ComfyUI took only in part.
// Delete it from the queue, look, interrupt it only if it is the one that runs, look again until it is gone
// (connectors/comfyui/API.md 7). Servers before September 2025 ignore the id of an interrupt and stop
// whatever runs, so there is a look before each interrupt, on all versions.

#include "connectors/comfyui/run/run_parts.h"

namespace emprops::comfyui {
namespace {

constexpr Ms look_pause{250};
constexpr Ms interrupt_pause{2'000};

}  // namespace

void Run::cancel(TimePoint now) {
    if (phase_ == Phase::finished || cancelled_) return;
    cancelled_ = true;
    Outcome outcome;
    outcome.kind = Outcome::Kind::cancelled;
    if (phase_ == Phase::withdraw) {
        after_withdraw_ = std::move(outcome);
        return;
    }
    if (phase_ == Phase::scan) {
        // Which prompt is to be taken back is what the scan finds out.
        withdraw_until_ = now + rules_.limits.cancel;
        look_at_ = now;
        return;
    }
    // A prompt that an earlier process may have sent must be taken back too.
    if (phase_ != Phase::follow && !doubtful_ && !noted_) {
        finish(Outcome::Kind::cancelled);
        return;
    }
    begin_withdraw(std::move(outcome), now);
}

void Run::begin_withdraw(Outcome outcome, TimePoint now) {
    after_withdraw_ = std::move(outcome);
    phase_ = Phase::withdraw;
    withdraw_step_ = Step::remove;
    withdraw_until_ = now + rules_.limits.cancel;
    interrupt_again_ = now;
    look_step_ = 0;
    look_at_ = now;
}

void Run::on_done(bool ok, TimePoint now) {
    if (phase_ == Phase::free_memory) {
        // /free acts after the running prompt; whether it answered or not, the next submission shows.
        phase_ = Phase::lookup;
        look_step_ = 0;
        look_at_ = now;
        return;
    }
    if (phase_ != Phase::withdraw) return;
    if (!ok && !unreachable_since_) unreachable_since_ = now;
    const bool interrupted = withdraw_step_ == Step::interrupt;
    withdraw_step_ = Step::look;
    look_step_ = 0;
    look_at_ = interrupted || !ok ? now + look_pause : now;
    if (interrupted) interrupt_again_ = now + interrupt_pause;
}

void Run::looked_while_withdrawing(Where where, const Json& entry, TimePoint now) {
    look_at_ = now + look_pause;
    switch (where) {
        case Where::running:
            doubtful_ = false;
            if (now >= interrupt_again_) withdraw_step_ = Step::interrupt;
            return;
        case Where::pending:
            doubtful_ = false;
            withdraw_step_ = Step::remove;
            return;
        case Where::finished: {
            doubtful_ = false;
            // Over a time limit, and done in the last moment: that is a result all the same.
            if (after_withdraw_.kind == Outcome::Kind::failed && is_success(entry))
                return conclude(entry, now);
            break;
        }
        case Where::absent:
            // A POST without an answer may still be on its way into the queue.
            if (doubtful_ && !attached_) {
                outcome_.doubtful = true;
                abandon();
            }
            break;
    }
    end_withdraw();
}

void Run::abandon() {
    outcome_.abandoned = true;
    outcome_.unwanted = {prompt_id_};
    if (phase_ != Phase::scan) return;
    outcome_.doubtful = true;
    outcome_.unwanted.clear();
    for (int i = 0; i <= highest_submission; ++i) {
        outcome_.unwanted.push_back(name_(i));
    }
}

void Run::end_withdraw() {
    outcome_.failure = after_withdraw_.failure;
    outcome_.refusal = after_withdraw_.refusal;
    finish(after_withdraw_.kind);
}

}  // namespace emprops::comfyui
