#pragma once
// How much may be arriving: bytes of messages and requests that have begun and are not complete, over all
// connections together. One connection may send a large message; many at once must not take the machine's
// memory. Pure; owned by the server.

#include <cstdint>
#include <map>
#include <vector>

#include "supervisor/base/time.h"

namespace emprops::local_hub {

class IncomingBudget {
  public:
    using Holder = std::uint64_t;  ///< a connection

    /// Whoever has sent nothing more for this long gives way to those who do.
    static constexpr Ms stalled_after{5'000};

    explicit IncomingBudget(std::uint64_t limit) : limit_(limit) {}

    /// So much of an incomplete message of `holder` is here now. Returns who must be given up: the stalled
    /// ones, the longest first, or `holder` itself when there are none. They are released already.
    std::vector<Holder> hold(Holder holder, std::uint64_t bytes, TimePoint now);
    /// Its message is complete, or its connection has ended.
    void release(Holder holder);

    std::uint64_t bytes() const { return bytes_; }
    std::uint64_t limit() const { return limit_; }

  private:
    struct Held {
        std::uint64_t bytes = 0;
        TimePoint last;
    };
    std::uint64_t limit_;
    std::uint64_t bytes_ = 0;
    std::map<Holder, Held> held_;
};

}  // namespace emprops::local_hub
