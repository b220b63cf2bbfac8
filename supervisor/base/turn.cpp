#include "supervisor/base/turn.h"

#include <utility>

#include "supervisor/base/loop.h"

namespace emprops {

Turn::Turn(boost::asio::any_io_executor executor, std::function<void()> work)
    : executor_(std::move(executor)), work_(std::move(work)) {}

void Turn::request() {
    if (requested_) return;
    later(executor_, lifetime_.guard([this] {
        requested_ = false;
        const auto work = work_;  // outlives us
        work();
    }));
    requested_ = true;
}

}  // namespace emprops
