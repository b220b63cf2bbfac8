#pragma once
// Sees that this process did not run for a while (ipc/time) and tells it once. While it lives the clock of the
// process leaves such time out. Owned by whoever runs a loop; event loop thread only.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <optional>
#include <string>

#include "supervisor/base/lifetime.h"
#include "supervisor/base/time.h"

namespace emprops {

class PauseWatch {
  public:
    using OnPause = std::function<void(Ms paused)>;

    PauseWatch(boost::asio::any_io_executor executor, OnPause on_pause);

  private:
    void wait();

    OnPause on_pause_;
    boost::asio::steady_timer timer_;  // of the steady clock: it fires as soon as we go on
    std::optional<ClockWatch> watch_;
    Lifetime lifetime_;
};

/// For the log: what happened and that nobody is charged for it.
std::string pause_text(Ms paused);

}  // namespace emprops
