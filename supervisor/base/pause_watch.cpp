#include "supervisor/base/pause_watch.h"

#include <utility>

#include "ipc/text/people.h"
#include "supervisor/base/loop.h"

namespace emprops {

PauseWatch::PauseWatch(boost::asio::any_io_executor executor, OnPause on_pause)
    : on_pause_(std::move(on_pause)), timer_(executor) {
    // In the loop: what blocks before it begins is no pause.
    later(executor, lifetime_.guard([this] {
        watch_.emplace();
        wait();
    }));
}

void PauseWatch::wait() {
    const TimePoint now = Clock::now();
    timer_.expires_after(next_beat(now, ClockWatch::rest) - now);
    timer_.async_wait(lifetime_.guard([this](boost::system::error_code error) {
        if (error) return;
        const auto paused = std::chrono::duration_cast<Ms>(ClockWatch::take_untold());
        wait();
        if (paused > Ms{0}) on_pause_(paused);
    }));
}

std::string pause_text(Ms paused) {
    return "this machine or container was paused for " + human_duration(paused) +
           " (nothing of it ran): that time is charged to nobody";
}

}  // namespace emprops
