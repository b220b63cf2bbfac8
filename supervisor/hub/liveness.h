#pragma once
// When a connection is pinged and when it is given up. Pure. A link that carries our bytes is alive, however
// long the Hub's answer takes: bytes that the other side has confirmed count as much as bytes that it sent.

#include <cstdint>

#include "supervisor/base/time.h"

namespace emprops::hub {

class Liveness {
  public:
    /// `limit`: so long without a sign of life and the connection is given up; a ping goes out at half of it.
    Liveness(Ms limit, TimePoint now) : limit_(limit), last_sign_(now) {}

    /// Something arrived: data, a ping, a pong, a part of a frame.
    void heard(TimePoint now) {
        last_sign_ = now;
        pinged_ = false;
    }
    /// The other side has confirmed so many bytes in all.
    void confirmed(TimePoint now, std::uint64_t total) {
        if (total <= confirmed_) return;
        confirmed_ = total;
        heard(now);
    }

    enum class Verdict { fine, ping, dead };
    Verdict look(TimePoint now) {
        if (now - last_sign_ >= limit_) return Verdict::dead;
        if (pinged_ || now - last_sign_ < limit_ / 2) return Verdict::fine;
        pinged_ = true;
        return Verdict::ping;
    }

  private:
    Ms limit_;
    TimePoint last_sign_;
    std::uint64_t confirmed_ = 0;
    bool pinged_ = false;
};

}  // namespace emprops::hub
