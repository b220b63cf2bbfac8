// Whatever a hub sends, in whatever order: the session lives, and its claims never hold more slots than there
// are. Input: lines; a first byte says which connection a line comes on or what happens instead.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/hub/session.h"

namespace {

using namespace emprops;

/// The worker's side: two slots, and one place ahead of a slot once both are taken.
struct Desk {
    int free = 2;
    bool ahead_free = true;
    std::map<std::string, jobs::Place> reserved;
    jobs::Place reserve(const std::string& job_id) {
        const jobs::Place place = free > 0     ? jobs::Place::slot
                                  : ahead_free ? jobs::Place::ahead
                                               : jobs::Place::none;
        if (place == jobs::Place::none) return place;
        if (!reserved.emplace(job_id, place).second) std::abort();
        take(place, -1);
        return place;
    }
    void release(const std::string& job_id) {
        const auto it = reserved.find(job_id);
        if (it == reserved.end()) std::abort();
        take(it->second, +1);
        reserved.erase(it);
    }
    void take(jobs::Place place, int change) {
        if (place == jobs::Place::slot)
            free += change;
        else
            ahead_free = change > 0;
    }
    jobs::Room room() const {
        auto capacity = std::make_shared<jobs::Capacity>();
        capacity->job_types = {"simulation"};
        if (free > 0)
            capacity->free_slots["simulation"] = free;
        else if (ahead_free)
            capacity->ahead = {"simulation"};
        return {capacity, false};
    }

    struct Taken {
        jobs::Assignment assignment;
        jobs::Place place;
    };
    std::vector<Taken> taken;
    void take_over(jobs::Assignment assignment) {
        const auto reservation = reserved.extract(assignment.job_id);
        if (!reservation) std::abort();
        taken.push_back({std::move(assignment), reservation.mapped()});
    }
    /// The job that ends: the last that holds a slot. Nothing if none does.
    std::optional<jobs::Assignment> end_one() {
        const auto it = std::find_if(taken.rbegin(), taken.rend(),
                                     [](const Taken& job) { return job.place == jobs::Place::slot; });
        if (it == taken.rend()) return std::nullopt;
        jobs::Assignment ended = std::move(it->assignment);
        taken.erase(std::next(it).base());
        ++free;
        return ended;
    }
    /// The job that begins: the one that waits ahead, once a slot is free.
    const jobs::Assignment* begin_one() {
        const auto it = std::find_if(taken.begin(), taken.end(),
                                     [](const Taken& job) { return job.place == jobs::Place::ahead; });
        if (it == taken.end() || free == 0) return nullptr;
        --free;
        ahead_free = true;
        it->place = jobs::Place::slot;
        return &it->assignment;
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
    const auto perform = [&] {
        for (auto actions = session.take_actions(); !actions.empty(); actions = session.take_actions()) {
            for (auto& action : actions) {
                if (auto* wish = std::get_if<hub::PlaceWanted>(&action))
                    session.place(now, wish->job_id, desk.reserve(wish->job_id));
                if (auto* released = std::get_if<hub::PlaceReleased>(&action)) desk.release(released->job_id);
                if (auto* given = std::get_if<hub::Assigned>(&action))
                    desk.take_over(std::move(given->assignment));
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
                if (const auto ended = desk.end_one())
                    session.deliver(now, {ended->job_id, ended->number, jobs::Completed{{R"({"a":1})"}}});
                if (const jobs::Assignment* begun = desk.begin_one())
                    session.begun(begun->job_id, begun->number);
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
