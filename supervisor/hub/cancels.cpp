#include "supervisor/hub/cancels.h"

namespace emprops::hub {
namespace {

constexpr Ms cancel_patience{3000};

}  // namespace

void Cancels::add(TimePoint now, const std::string& job_id, const std::string& reason) {
    cancels_.try_emplace(job_id, Cancel{reason, now, false, false});
}

std::vector<std::pair<std::string, std::string>> Cancels::unconfirmed(TimePoint now) {
    std::vector<std::pair<std::string, std::string>> due;
    for (auto& [job_id, cancel] : cancels_) {
        if (cancel.reported || (watch_ && now - cancel.since < cancel_patience)) continue;
        cancel.reported = true;
        due.emplace_back(job_id, cancel.reason);
    }
    forget_settled();
    return due;
}

void Cancels::tell() {
    for (auto& [job_id, cancel] : cancels_) {
        if (!cancel.sent) wire_.act(SendWatch{encode(CancelJob{job_id, cancel.reason})});
        cancel.sent = true;
    }
    forget_settled();
}

void Cancels::forget_settled() {
    std::erase_if(cancels_,
                  [&](const auto& each) { return each.second.reported && (each.second.sent || !watch_); });
}

void Cancels::on_watch_ended() {
    for (auto& [job_id, cancel] : cancels_)
        cancel.sent = false;
}

std::optional<std::string> Cancels::confirmed(const std::string& job_id, const std::string& state) {
    const auto found = cancels_.find(job_id);
    if (found == cancels_.end() || !found->second.sent) return std::nullopt;
    if (state != "cancelled" && state != "unknown" && state != "completed") return std::nullopt;
    return std::move(cancels_.extract(found).mapped().reason);
}

std::optional<TimePoint> Cancels::next_wakeup() const {
    Earliest first;
    for (const auto& [job_id, cancel] : cancels_)
        if (!cancel.reported) first.add(cancel.since + cancel_patience);
    return first.at();
}

}  // namespace emprops::hub
