#pragma once
// Waits in running time: what was due while we did not run is not overdue when we go on, but due as much later.

#include <boost/asio/basic_waitable_timer.hpp>

#include "supervisor/base/time.h"

namespace emprops {

using Timer = boost::asio::basic_waitable_timer<Clock>;

}  // namespace emprops
