#include "supervisor/worker/leaving.h"

#include <utility>

#include "supervisor/base/exit_codes.h"

namespace emprops {
namespace {

/// How long outcomes may wait for the Hub's ack when nothing else keeps the worker.
constexpr Ms flush_limit{10'000};

}  // namespace

void Leaving::signal() {
    ++signals_;
    if (signals_ == 1) return drain(mode_);
    if (signals_ == 2) return drain(jobs::DrainMode::now);
    actions_.push_back(Kill{});
    exit_code_ = exit_ok;
    end();
}

void Leaving::notice() {
    drain(jobs::DrainMode::deadline);
}

void Leaving::refused() {
    if (phase_ == Phase::ended) return;
    exit_code_ = exit_unavailable;
    stop();
}

void Leaving::look(TimePoint now, bool quiet, bool delivered) {
    if (phase_ != Phase::leaving || !quiet) return;
    if (delivered || (flushed_by_ && *flushed_by_ <= now)) return stop();
    if (!flushed_by_) flushed_by_ = now + flush_limit;
}

void Leaving::stopped() {
    end();
}

std::vector<Leaving::Action> Leaving::take_actions() {
    return std::exchange(actions_, {});
}

std::optional<TimePoint> Leaving::next_wakeup() const {
    return phase_ == Phase::leaving ? flushed_by_ : std::nullopt;
}

void Leaving::drain(jobs::DrainMode mode) {
    if (phase_ == Phase::running) phase_ = Phase::leaving;
    actions_.push_back(Drain{mode});
}

void Leaving::stop() {
    if (phase_ == Phase::stopping || phase_ == Phase::ended) return;
    phase_ = Phase::stopping;
    actions_.push_back(Stop{});
}

void Leaving::end() {
    if (phase_ == Phase::ended) return;
    phase_ = Phase::ended;
    actions_.push_back(End{exit_code_});
}

const char* to_string(Leaving::Phase phase) {
    static constexpr const char* names[] = {"running", "leaving", "stopping", "ended"};
    return names[static_cast<int>(phase)];
}

}  // namespace emprops
