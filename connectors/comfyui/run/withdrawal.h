#pragma once
// Takes a prompt back: a cancel, a time limit, a prompt that ComfyUI took only in part. Servers since June 2026 do
// it in one step that cannot hit another prompt (connectors/comfyui/API.md 12.2): that is tried first. On others it
// deletes the prompt from the queue, looks, interrupts it only if it is the one that runs, and looks again until it is
// gone (connectors/comfyui/API.md 7). Servers before September 2025 ignore the id of an interrupt and stop whatever
// runs, so there is a look before each interrupt. Pure.

#include <optional>
#include <string>
#include <utility>

#include "connectors/comfyui/run/actions.h"
#include "connectors/comfyui/run/look.h"
#include "connectors/comfyui/run/outcome.h"

namespace emprops::comfyui {

class Withdrawal {
  public:
    /// What becomes of the job when the prompt is gone.
    struct Reason {
        Outcome::Kind kind = Outcome::Kind::cancelled;
        Failure failure;
        Json refusal;
        bool suspicious = false;  ///< ComfyUI's worker thread may be dead
    };

    Withdrawal(Reason reason, TimePoint until, TimePoint now)
        : reason_(std::move(reason)), until_(until), interrupt_at_(now) {}

    /// nullopt: it is time for a look.
    std::optional<Action> next(const std::string& prompt_id) const;
    /// A request was carried out, or was not answered; returns when to look.
    TimePoint on_done(bool answered, TimePoint now);
    /// The same for a CancelJob.
    TimePoint on_cancelled(CancelAnswer answer, TimePoint now);
    /// What a look found. True: the prompt is gone from the queue. Else the next look is due after `look_pause`.
    bool on_found(Where where, TimePoint now);
    bool is_over(TimePoint now) const { return now >= until_; }

    /// The job was cancelled meanwhile: that is what becomes of it.
    void cancel();
    const Reason& reason() const { return reason_; }

    static constexpr Ms look_pause{250};

  private:
    enum class Step { cancel, remove, look, interrupt };

    Reason reason_;
    TimePoint until_;
    TimePoint interrupt_at_;  // not before
    bool by_jobs_ = true;     // until the server says that it does not know the call
    Step step_ = Step::cancel;
};

}  // namespace emprops::comfyui
