#include "connectors/comfyui/run/withdrawal.h"

namespace emprops::comfyui {
namespace {

constexpr Ms interrupt_pause{2'000};

}  // namespace

std::optional<Action> Withdrawal::next(const std::string& prompt_id) const {
    if (step_ == Step::cancel) return CancelJob{prompt_id};
    if (step_ == Step::remove) return DeletePending{prompt_id};
    if (step_ == Step::interrupt) return Interrupt{prompt_id};
    return {};
}

TimePoint Withdrawal::on_done(bool answered, TimePoint now) {
    const bool interrupted = step_ == Step::interrupt;
    step_ = Step::look;
    if (interrupted) interrupt_at_ = now + interrupt_pause;
    return interrupted || !answered ? now + look_pause : now;
}

TimePoint Withdrawal::on_cancelled(CancelAnswer answer, TimePoint now) {
    by_jobs_ = answer != CancelAnswer::unknown_call;
    step_ = by_jobs_ ? Step::look : Step::remove;
    if (answer == CancelAnswer::done) interrupt_at_ = now + interrupt_pause;
    return by_jobs_ ? now + look_pause : now;
}

bool Withdrawal::on_found(Where where, TimePoint now) {
    if (where == Where::running) {
        if (now >= interrupt_at_) step_ = by_jobs_ ? Step::cancel : Step::interrupt;
        return false;
    }
    if (where == Where::pending) step_ = by_jobs_ ? Step::cancel : Step::remove;
    return where != Where::pending;
}

void Withdrawal::cancel() {
    reason_.kind = Outcome::Kind::cancelled;
    reason_.failure = {};
    reason_.refusal = {};
}

}  // namespace emprops::comfyui
