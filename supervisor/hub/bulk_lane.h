#pragma once
// By which connection an outcome leaves. Pure; owned by the session.
//
// A frame that has begun cannot be overtaken, so a large result on a slow line keeps heartbeats and progress
// back until the Hub gives our jobs away. It leaves over a second connection, <id>-bulk, which never
// registers (the Hub times out registered workers only, offers it nothing and takes complete_job from any
// connection). It is opened when it is needed, carries one result at a time, and is closed when it idles.
// Where a second connection is refused, large results leave over the first one.

#include <cstdint>
#include <optional>
#include <string>

#include "supervisor/base/time.h"

namespace emprops::hub {

struct BulkPolicy {
    double slowest = 50'000;  ///< bytes per second of the slowest line that is promised to work
    /// From this size on a result leaves over the second connection: what the slowest line carries in 5 s.
    /// Smaller ones delay a heartbeat by no more, and cost no handshake.
    std::size_t at_least = 256 * 1024;
    Ms linger{10'000};          ///< the connection is kept this long after its last result
    Ms open_patience{20'000};   ///< connected and welcomed within this, or it counts as refused
    Ms refused_for{300'000};    ///< a Hub that refused is not asked again before this, or before we reconnect
    Ms slow_after{5'000};       ///< a cut accuses the link only of an upload that lasted so long
    unsigned cuts_to_tell = 2;  ///< told after so many cuts, and each time when they have doubled
    Ms pause_min{1'000};        ///< after a cut; doubles with each
    Ms pause_max{60'000};
};

class BulkLane {
  public:
    enum class Way { first, bulk, wait };
    enum class State { closed, opening, open };

    /// `possible`: an address for the second connection can be derived from the Hub's URL.
    BulkLane(BulkPolicy policy, bool possible) : policy_(policy), possible_(possible) {}

    /// How a result of this size leaves now. `taken`: another one is on its way there.
    Way way(TimePoint now, std::size_t bytes, bool taken) const;

    enum class Step { none, open, close, refused };
    /// What to do with the connection: `wanted`: a result waits for it; `taken`: one is on its way.
    Step steer(TimePoint now, bool wanted, bool taken);
    std::optional<TimePoint> next_wakeup(bool wanted, bool taken) const;
    /// The next connection's id. A new one each time: at the Hub the end of an older connection ends a newer
    /// one of the same id.
    std::string next_id(const std::string& worker_id);

    void on_welcomed(TimePoint now);
    /// It ended. `cut`: in the middle of a result. True: it never was usable (as Step::refused).
    bool on_ended(TimePoint now, bool cut);
    void on_delivered(TimePoint now);
    /// We closed it.
    void closed() { state_ = State::closed; }
    /// The first connection was made anew: what the Hub refused before may be possible now.
    void on_reconnected() { refused_until_.reset(); }

    State state() const { return state_; }
    const BulkPolicy& policy() const { return policy_; }

  private:
    BulkPolicy policy_;
    bool possible_;
    State state_ = State::closed;
    TimePoint since_{};  ///< of the state; `open`: last needed
    std::optional<TimePoint> refused_until_;
    std::optional<TimePoint> pause_until_;
    unsigned cuts_in_a_row_ = 0;
    std::uint64_t connections_ = 0;
};

/// The attempts to send one outcome.
class Upload {
  public:
    void begin(TimePoint now, std::size_t bytes);
    /// The connection ended when `left` bytes had not been taken. A sentence when it is time to say that the
    /// link is too slow.
    std::optional<std::string> cut(TimePoint now, std::size_t left, const BulkPolicy& policy);
    std::size_t bytes() const { return bytes_; }
    Ms lasted(TimePoint now) const { return std::chrono::duration_cast<Ms>(now - begun_); }
    /// Bytes per second of the running attempt.
    double rate(TimePoint now, std::size_t left) const;
    /// How long the slowest line takes: what was written may wait in buffers on the way (a proxy's) so long.
    Ms longest(const BulkPolicy& policy) const {
        return Ms(static_cast<Ms::rep>(1000 * static_cast<double>(bytes_) / policy.slowest));
    }

  private:
    TimePoint begun_{};
    std::size_t bytes_ = 0;
    unsigned cuts_ = 0;  ///< that accuse the link
};

}  // namespace emprops::hub
