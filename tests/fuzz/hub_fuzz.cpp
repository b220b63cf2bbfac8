// Whatever a hub sends, in whatever order: the session lives, and its claims never hold more slots than there
// are. Input: lines; a first byte says which connection a line comes on or what happens instead.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/hub/session.h"

namespace {

using namespace emprops;

/// The worker's side: two places.
struct Desk {
    int free = 2;
    std::set<std::string> reserved;
    bool reserve(const std::string& job_id) {
        if (free == 0) return false;
        --free;
        if (!reserved.insert(job_id).second) std::abort();
        return true;
    }
    void release(const std::string& job_id) {
        if (reserved.erase(job_id) != 1) std::abort();
        ++free;
    }
    jobs::Room room() const {
        auto capacity = std::make_shared<jobs::Capacity>();
        capacity->job_types = {"simulation"};
        if (free > 0) capacity->free_slots["simulation"] = free;
        return {capacity, false};
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view input(reinterpret_cast<const char*>(data), size);
    Desk desk;
    hub::SessionSettings settings;
    settings.id_base = "w";
    settings.hub.max_assembly_bytes = 1 << 20;
    hub::Session session(
        settings, {[] { return 1.0; }, [] { return 0.5; }, [] { return std::string("00000000"); }, {}, {}});
    TimePoint now = TimePoint{} + std::chrono::hours(1);
    std::vector<jobs::Assignment> running;
    const auto perform = [&] {
        for (auto actions = session.take_actions(); !actions.empty(); actions = session.take_actions()) {
            for (auto& action : actions) {
                if (auto* wish = std::get_if<hub::PlaceWanted>(&action))
                    session.place(now, wish->job_id, desk.reserve(wish->job_id));
                if (auto* released = std::get_if<hub::PlaceReleased>(&action)) desk.release(released->job_id);
                if (auto* given = std::get_if<hub::Assigned>(&action)) {
                    desk.reserved.erase(given->assignment.job_id);
                    running.push_back(std::move(given->assignment));
                }
            }
        }
    };
    const auto act = [&] {
        perform();
        session.advance(now, desk.room());
        perform();
    };
    session.start(now);
    session.on_connected(now);
    act();
    while (!input.empty()) {
        const auto end = input.find('\n');
        std::string_view line = input.substr(0, end);
        input = end == std::string_view::npos ? std::string_view() : input.substr(end + 1);
        const char kind = line.empty() ? 't' : line.front();
        switch (kind) {
            case 'w':
                session.on_watch_connected();
                session.on_watch_frame(now, line.substr(1));
                break;
            case 'd':
                session.on_disconnected(now, "cut");
                act();
                session.on_connected(now);
                break;
            case 't':
                now += Ms(static_cast<int>(line.size()) * 700);
                session.on_time(now);
                break;
            case 'e':
                if (running.empty()) break;
                ++desk.free;
                session.deliver(
                    now, {running.back().job_id, running.back().number, jobs::Completed{{R"({"a":1})"}}});
                running.pop_back();
                break;
            default:
                session.on_frame(now, line);
        }
        act();
        if (const auto next = session.next_wakeup(); next && *next < TimePoint{}) std::abort();
    }
    session.metrics(now);
    return 0;
}
