#include "supervisor/hub/presence.h"

#include <algorithm>
#include <utility>

#include "ipc/json_text.h"
#include "ipc/text/people.h"
#include "ipc/text/utf8.h"
#include "supervisor/base/time.h"

namespace emprops::hub {
namespace {

/// How long the first registration waits for the first job type.
constexpr Ms greet_patience{300};
/// The full worker_status goes out before every fifth heartbeat, as the Python worker does.
constexpr unsigned full_status_every = 5;
/// The Hub is told of one connector's state at most this often.
constexpr Ms status_gap{1000};
/// "Worker is not idle": our status and the Hub's idea crossed. One answer per second is enough.
constexpr Ms not_idle_gap{1000};
/// Fewer waiting bytes than these are written soon: a heartbeat need not overtake them.
constexpr std::size_t small_backlog = 64 * 1024;
/// Names and sentences of connectors in messages to monitors.
constexpr std::size_t most_text_bytes = 1000;

void cut_text(std::string& text) {
    text.resize(text::cut(text, most_text_bytes).size());
}

std::size_t encoded_size(const ipc::Json& value) {
    return ipc::dump(value).size();
}

/// Drops the largest members until the rest fits; returns their names.
std::string drop_largest(ipc::Json& object, std::size_t limit) {
    std::map<std::string, std::size_t> sizes;
    std::size_t total = 0;
    for (const auto& [key, value] : object.items())
        total += sizes[key] = key.size() + encoded_size(value);
    std::string dropped;
    while (total > limit && !sizes.empty()) {
        const auto largest = std::max_element(
            sizes.begin(), sizes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
        total -= largest->second;
        add_item(dropped, text::cut(largest->first, 80));
        object.erase(largest->first);
        sizes.erase(largest);
    }
    return dropped;
}

}  // namespace

void Presence::on_connected(TimePoint now) {
    greeted_ = false;
    told_offers_at_once_ = 1;
    declined_.clear();
    connected_at_ = now;
}

void Presence::greet(TimePoint now, const Situation& situation, std::size_t running) {
    const jobs::Capacity& capacity = *situation.capacity;
    const bool due = ever_greeted_ || !capacity.job_types.empty() || capacity.draining ||
                     now - connected_at_ >= greet_patience;
    if (!due) return;
    greeted_ = ever_greeted_ = true;
    register_as(announcer_.on_connected(now, situation));
    heartbeats_ = 0;
    beat(now, situation, running);
    owe_connector_statuses();
}

void Presence::register_as(const Announcement::Registration& registration) {
    wire_.send(encode(RegisterWorker{wire_.stamp(),
                                     with_job_types(capabilities_text_, registration.job_types),
                                     {},
                                     registration.idle ? idle_status : busy_status}));
}

void Presence::seem_idle() {
    if (!announcer_.told_idle()) register_as({announcer_.told_types(), false});
}

Announcement Presence::withdraw(TimePoint now, const Situation& situation) {
    Announcement told = announcer_.decide(now, situation);
    if (told.withdraw) register_as(*told.withdraw);
    return told;
}

void Presence::announce(const Announcement& told, bool takes_back, int offers_at_once) {
    if (told.registration) register_as(*told.registration);
    std::optional<bool> idle = told.status;
    // A registration cannot say how many offers are wanted, nor for which there is no place.
    if (!idle && told.registration && takes_back &&
        (!declined_.empty() || (told.registration->idle && offers_at_once != told_offers_at_once_)))
        idle = told.registration->idle;
    if (!idle) return;
    WorkerStatus status{wire_.stamp(), *idle ? idle_status : busy_status};
    if (takes_back) status.ahead_job_types = announcer_.told_ahead();
    if (takes_back && *idle && offers_at_once != told_offers_at_once_)
        status.offers_at_once = told_offers_at_once_ = offers_at_once;
    status.declined_offers = std::exchange(declined_, {});
    wire_.send(encode(status));
}

void Presence::heartbeat(TimePoint now, const Situation& situation, std::size_t running) {
    if (greeted_ && now >= next_heartbeat_) beat(now, situation, running);
}

void Presence::beat(TimePoint now, const Situation& situation, std::size_t running) {
    next_heartbeat_ = now + settings_.heartbeat_interval;
    ++heartbeats_;
    int free = 0;
    for (const auto& [type, slots] : situation.capacity->free_slots)
        free = std::max(free, slots);
    const auto busy = static_cast<double>(running);
    const double load = running == 0 ? 0.0 : busy / (busy + free);
    std::optional<std::string> status = announcer_.told_idle() ? idle_status : busy_status;
    if (situation.claim) status.reset();  // while a claim is outstanding nothing says idle
    const bool overtakes = wire_.backlog() > small_backlog;
    if (overtakes) {
        status.reset();  // what it passes may say otherwise, and must have the last word
    } else if (heartbeats_ % full_status_every == 0 && !situation.claim) {
        wire_.send(full_status_frame(*status));
        status.reset();  // said already; twice would make the Hub scan its queue twice
        // The Hub keeps no connector's state: a monitor that came later learns it now.
        owe_connector_statuses();
    }
    wire_.send(encode(WorkerHeartbeat{wire_.stamp(), status, load}), overtakes);
}

/// Monitors read it; without the details when it would be more than the Hub takes.
std::string Presence::full_status_frame(std::string_view status) const {
    const auto frame_of = [&](bool with_details) {
        ipc::Json statuses = ipc::Json::object();
        for (const auto& [connector, known] : statuses_) {
            auto object = connector_status_object(connector, known.status);
            if (!with_details) object["details"] = ipc::Json::object();
            const std::string service = object["service"];
            statuses[service] = std::move(object);
        }
        ipc::Json all = capabilities_;
        all["supported_job_types"] = announcer_.told_types();
        all["connector_statuses"] = statuses;
        return encode(WorkerStatus{wire_.stamp(), std::string(status), std::move(all), std::move(statuses)});
    };
    std::string frame = frame_of(true);
    return frame.size() <= settings_.hub.send_limit ? frame : frame_of(false);
}

void Presence::owe_connector_statuses() {
    for (auto& [connector, known] : statuses_)
        known.owed = true;
}

void Presence::tell_connector_statuses(TimePoint now) {
    if (!greeted_ || wire_.crowded()) return;
    for (auto& [connector, known] : statuses_) {
        if (!known.owed || (known.sent_at != TimePoint{} && now - known.sent_at < status_gap)) continue;
        known.owed = false;
        known.sent_at = now;
        wire_.send(encode_connector_status(wire_.stamp(), connector, known.status));
    }
}

void Presence::set_capabilities(TimePoint now, ipc::Json capabilities) {
    const std::size_t limit = settings_.self_description_limit;
    std::string dropped = drop_largest(capabilities, limit);
    if (dropped != dropped_capabilities_ && !dropped.empty())
        wire_.note(Note::Level::warn, "the connectors' capabilities are more than " + std::to_string(limit) +
                                          " bytes; the Hub is not told of: " + dropped +
                                          "; let the connector shorten them");
    dropped_capabilities_ = std::move(dropped);
    if (capabilities == capabilities_) return;
    capabilities_ = std::move(capabilities);
    capabilities_text_ = ipc::dump(capabilities_);
    if (greeted_) announcer_.owe_registration(now);
}

void Presence::set_connector_status(const std::string& connector, const ipc::Status& status) {
    auto& known = statuses_[connector];
    const bool was_cut = std::exchange(known.cut, false);
    known.status = status;
    known.owed = true;
    cut_text(known.status.service);
    cut_text(known.status.reason);
    const std::size_t size = encoded_size(status.details);
    if (size <= settings_.self_description_limit) return;
    known.status.details = nullptr;
    known.cut = true;
    if (!was_cut)
        wire_.note(Note::Level::warn,
                   "the details in the status of connector " + connector + " are " + std::to_string(size) +
                       " bytes, more than " + std::to_string(settings_.self_description_limit) +
                       "; the Hub is told the status without them; let the connector shorten them");
}

void Presence::service_request(const ipc::ServiceRequest& request) {
    if (!wire_.usable()) return;
    const std::string what = "a service_request of job " + request.job_id;
    if (wire_.crowded())
        return wire_.note(Note::Level::debug, what + " is dropped: too much waits to be sent to the Hub");
    std::string frame = encode_service_request(wire_.stamp(), request);
    if (frame.size() > settings_.hub.send_limit)
        return wire_.note(Note::Level::warn, what + " is larger than the Hub takes; not sent");
    wire_.send(std::move(frame));
}

void Presence::decline(TimePoint now, const std::string& job_id) {
    declined_.push_back(job_id);
    owe_status(now);
}

void Presence::owe_status_after_crossing(TimePoint now) {
    owe_status(std::max(now, announcer_.last_status() + not_idle_gap));
}

std::optional<TimePoint> Presence::next_wakeup(TimePoint look_again, bool welcomed, bool claim) const {
    Earliest first;
    if (!greeted_) {
        first.add(connected_at_ + greet_patience);
        return first.at();
    }
    first.add(next_heartbeat_);
    for (const auto& [connector, known] : statuses_)
        if (known.owed) first.add(std::max(known.sent_at + status_gap, look_again));
    if (welcomed && !claim) first.add(announcer_.next_wakeup());
    return first.at();
}

ipc::Json merge_capabilities(ipc::Json merged,
                             const std::vector<std::pair<std::string, ipc::Json>>& connectors) {
    for (const auto& [connector, capabilities] : connectors) {
        if (!capabilities.is_object()) continue;
        for (const auto& [key, value] : capabilities.items())
            merged[connector + "_" + key] = value;
    }
    return merged;
}

}  // namespace emprops::hub
