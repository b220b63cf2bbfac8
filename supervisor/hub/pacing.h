#pragma once
// How much may wait in the kernel of what we send, and how fast the other side takes it. Pure.
//
// What the kernel has taken cannot be overtaken by a pong: with its own buffers (4 MB and more) a slow line
// leaves the Hub's ping unanswered for longer than the Hub waits (20 s). So it is given no more than the line
// carries in a few seconds.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "supervisor/base/time.h"

namespace emprops::hub {

/// Bytes per second over the last few seconds, as if they had been one at least: a burst is no rate.
class RateMeter {
  public:
    /// `total`: bytes that the peer has confirmed since the beginning of the connection; never less than
    /// before.
    void add(TimePoint now, std::uint64_t total);
    /// 0: not known (yet).
    double bytes_per_second() const;
    /// Nothing was waiting: the time until the next bytes says nothing about the line.
    void idle();

  private:
    struct Sample {
        TimePoint at;
        std::uint64_t total = 0;
    };
    std::deque<Sample> samples_;
};

/// How many unconfirmed bytes the kernel may hold at this rate: two seconds of it (the Hub waits 20 s for a
/// pong, and the rate may fall), at least 64 KiB (below, short lines would be held up; that is 5 s at
/// 13 kB/s), at most 1 MiB (enough for 5 MB/s over 200 ms, and no more than 20 s when the rate falls to
/// 50 kB/s).
std::size_t kernel_allowance(double bytes_per_second);

/// "51 kB/s", "1.4 MB/s": for people.
std::string human_rate(double bytes_per_second);

}  // namespace emprops::hub
