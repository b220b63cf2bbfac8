#include "supervisor/files/couriers.h"

namespace emprops::files {

void Couriers::leaving(const process::InstanceId& id) {
    if (const auto found = all_.find(id); found != all_.end()) found->second.leaving = true;
}

std::optional<std::vector<std::string>> Couriers::gone(const process::InstanceId& id) {
    const auto found = all_.find(id);
    if (found == all_.end()) return {};
    std::vector<std::string> had;
    for (const auto& [job_id, said_at] : found->second.in_hand)
        had.push_back(job_id);
    all_.erase(found);
    return had;
}

std::optional<Couriers::Place> Couriers::free_place() const {
    for (const auto& [id, courier] : all_)
        if (!courier.leaving && courier.in_hand.size() < static_cast<std::size_t>(courier.slots))
            return Place{id, courier.slots};
    return {};
}

void Couriers::take(TimePoint now, const process::InstanceId& id, const std::string& job_id) {
    if (const auto found = all_.find(id); found != all_.end()) found->second.in_hand[job_id] = now;
}

bool Couriers::let_go(const process::InstanceId& id, const std::string& job_id) {
    const auto found = all_.find(id);
    return found != all_.end() && found->second.in_hand.erase(job_id) > 0;
}

std::vector<Couriers::Hand> Couriers::in_hand() const {
    std::vector<Hand> hands;
    for (const auto& [id, courier] : all_)
        for (const auto& [job_id, said_at] : courier.in_hand)
            hands.push_back({id, job_id});
    return hands;
}

void Couriers::heard(TimePoint now, const std::string& job_id) {
    for (auto& [id, courier] : all_)
        if (const auto mine = courier.in_hand.find(job_id); mine != courier.in_hand.end()) mine->second = now;
}

std::vector<Couriers::Hand> Couriers::silent(TimePoint now, Ms patience) {
    std::vector<Hand> hands;
    for (auto& [id, courier] : all_) {
        for (const auto& [job_id, said_at] : courier.in_hand) {
            if (courier.told_silent || said_at + patience > now) continue;
            courier.told_silent = courier.leaving = true;
            hands.push_back({id, job_id});
        }
    }
    return hands;
}

std::optional<TimePoint> Couriers::next_silence(Ms patience) const {
    Earliest next;
    for (const auto& [id, courier] : all_)
        for (const auto& [job_id, said_at] : courier.in_hand)
            if (!courier.told_silent) next.add(said_at + patience);
    return next.at();
}

}  // namespace emprops::files
