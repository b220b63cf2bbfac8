#pragma once
// Calls its owner when the time of a machine's next_wakeup() has come. It may be set as often as something happens: a time
// that moves to later, as most do, costs nothing. Owned by whoever drives the machine, and gone with it. Event loop thread
// only.

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <optional>

#include "supervisor/base/lifetime.h"
#include "supervisor/base/timer.h"

namespace emprops {

class Alarm {
  public:
    /// `work` is called in a turn of its own, never too early; it may set the alarm again, and may end this object.
    Alarm(const boost::asio::any_io_executor& executor, std::function<void()> work);
    /// Instead of what was set before. A time that has passed means soon; nothing means never.
    void set(std::optional<TimePoint> when);

  private:
    void arm(TimePoint when);
    void ring();

    Timer timer_;
    std::function<void()> work_;
    std::optional<TimePoint> due_;
    std::optional<TimePoint> armed_;  ///< when the timer ends: at due_ or before
    Lifetime lifetime_;
};

}  // namespace emprops
