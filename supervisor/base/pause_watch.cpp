#include "supervisor/base/pause_watch.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "ipc/text/people.h"
#include "supervisor/base/running_time.h"

namespace emprops {
namespace {

/// How often the clock is looked at when nothing else happens: by so much a pause may seem shorter than it was.
constexpr Ms rest{500};

}  // namespace

PauseWatch::PauseWatch(boost::asio::any_io_executor executor, OnPause on_pause)
    : on_pause_(std::move(on_pause)), timer_(executor) {
    // In the loop: what blocks before it begins is no pause, and the clock is that of its thread.
    boost::asio::post(executor, lifetime_.guard([this] {
        watching_ = true;
        Clock::running().watch(std::chrono::steady_clock::now(), rest);
        wait();
    }));
}

PauseWatch::~PauseWatch() {
    if (watching_) Clock::running().unwatch();
}

void PauseWatch::wait() {
    timer_.expires_after(rest);
    timer_.async_wait(lifetime_.guard([this](boost::system::error_code error) {
        if (error) return;
        Clock::now();
        const auto paused = std::chrono::duration_cast<Ms>(Clock::running().take_untold());
        wait();
        if (paused > Ms{0}) on_pause_(paused);
    }));
}

std::string pause_text(Ms paused) {
    return "this machine or container was paused for " + human_duration(paused) +
           " (nothing of it ran): that time is charged to nobody";
}

}  // namespace emprops
