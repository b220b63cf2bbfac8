#include "supervisor/base/turn.h"

#include <utility>

#include "supervisor/base/loop.h"

namespace emprops {

Turn::Turn(boost::asio::any_io_executor executor, std::function<void()> work, When when)
    : executor_(std::move(executor)), work_(std::move(work)), when_(when) {}

void Turn::request() {
    if (requested_) return;
    const auto ask = when_ == When::at_rest ? &at_rest : &later;
    ask(executor_, lifetime_.guard([this] {
        requested_ = false;
        const auto work = work_;  // outlives us
        work();
    }));
    requested_ = true;
}

}  // namespace emprops
