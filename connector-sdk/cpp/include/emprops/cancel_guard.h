#pragma once
// A cancel callback that may capture locals of process_job() by reference. Header only; use it on the job's
// thread.

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "emprops/connector.h"

namespace emprops {

/// While it lives, a cancel of the job calls `callback` (at most once, on another thread). The destructor
/// waits for a callback that is just running; after it the callback is never called. So the callback must not
/// wait for something that the owner of this guard does only later.
class CancelGuard {
  public:
    CancelGuard(JobContext& context, std::function<void()> callback) : state_(std::make_shared<State>()) {
        state_->callback = std::move(callback);
        context.on_cancel([state = state_] {
            std::lock_guard lock(state->mutex);
            if (state->callback) state->callback();
        });
    }
    ~CancelGuard() {
        std::lock_guard lock(state_->mutex);
        state_->callback = nullptr;
    }
    CancelGuard(const CancelGuard&) = delete;
    CancelGuard& operator=(const CancelGuard&) = delete;

  private:
    struct State {
        std::mutex mutex;
        std::function<void()> callback;
    };
    std::shared_ptr<State> state_;
};

}  // namespace emprops
