#pragma once
// What one connection's line carries and whether it lives: bytes that the kernel took from us, bytes that the
// other side confirmed, what was heard. Pure; owned by the connection.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "supervisor/base/time.h"
#include "supervisor/hub/liveness.h"
#include "supervisor/hub/pacing.h"

namespace emprops::hub {

class LineMeter {
  public:
    LineMeter(Ms idle_timeout, TimePoint now) : liveness_(idle_timeout, now) {}

    void heard(TimePoint now) { liveness_.heard(now); }
    void wrote(std::size_t bytes) { taken_ += bytes; }
    /// `unconfirmed`: bytes that the kernel holds; `writing`: a frame has begun.
    void look(TimePoint now, std::size_t unconfirmed, bool writing) {
        unconfirmed_ = unconfirmed;
        looked_at_ = taken_;
        // TLS makes a little more of what we count: never more confirmed than written, never less than before.
        confirmed_ = std::max(confirmed_, taken_ - std::min<std::uint64_t>(taken_, unconfirmed));
        liveness_.confirmed(now, confirmed_);
        if (unconfirmed == 0 && !writing) {
            rate_.idle();
        } else {
            rate_.add(now, confirmed_);
        }
    }
    /// The kernel may take more: it holds no more than at the last look and what it got since. False: look again.
    bool has_room() const {
        return unconfirmed_ + (taken_ - looked_at_) <= kernel_allowance(rate_.bytes_per_second());
    }
    Liveness::Verdict verdict(TimePoint now) { return liveness_.look(now); }

  private:
    Liveness liveness_;
    RateMeter rate_;
    std::uint64_t taken_ = 0;      ///< by the kernel, since the connection began
    std::uint64_t confirmed_ = 0;  ///< by the other side
    std::uint64_t looked_at_ = 0;  ///< taken_ at the last look
    std::size_t unconfirmed_ = 0;  ///< at the last look
};

}  // namespace emprops::hub
