#pragma once
// What follows from reports, done in a later turn of the event loop: once, however often it is asked for until then.
// It never runs inside the call that asks, so no part is re-entered, and what several calls lead to is one batch.
// Owned by whoever does the work, and gone with it. Event loop thread only.

#include <boost/asio/any_io_executor.hpp>
#include <functional>

#include "supervisor/base/lifetime.h"

namespace emprops {

class Turn {
  public:
    /// `at_rest`: not in the next turn, but when all that is ready has been handled (loop.h).
    enum class When { next, at_rest };
    /// `work` may ask for another turn, and may end this object.
    Turn(boost::asio::any_io_executor executor, std::function<void()> work, When when = When::next);
    void request();

  private:
    boost::asio::any_io_executor executor_;
    std::function<void()> work_;
    When when_;
    bool requested_ = false;
    Lifetime lifetime_;
};

}  // namespace emprops
