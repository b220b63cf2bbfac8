#include "supervisor/local_hub/moves.h"

#include <algorithm>
#include <tuple>

namespace emprops::local_hub {

std::vector<std::string> Moves::wanted(const Workers& workers, const Offers& offers, const Jobs& jobs,
                                       TimePoint now, const Offers::Fits& fits) {
    std::erase_if(moves_, [&](const auto& move) {
        return move.second.until <= now || !jobs.waiting().contains(move.first);
    });
    std::vector<std::string> wanted;
    if (jobs.waiting().empty()) return wanted;
    for (const auto& [connection, worker] : workers.all()) {
        if (!worker.available() || !worker.idle() || offers.open_to(connection)) continue;
        const ConnectionId to = connection;  // a name that a lambda may take
        if (std::any_of(moves_.begin(), moves_.end(), [&](const auto& move) { return move.second.to == to; }))
            continue;
        const Job* best = nullptr;
        for (const auto& job_id : jobs.waiting()) {
            const auto& active = *jobs.find(job_id);
            const Job& job = active.job;
            if (!active.holder || *active.holder == to || moves_.contains(job_id)) continue;
            if (!worker.job_types.contains(job.type) || !fits(job_id, worker)) continue;
            const auto rank = [](const Job& each) { return std::tuple(-each.priority, each.sequence); };
            if (best == nullptr || rank(job) < rank(*best)) best = &job;
        }
        if (best == nullptr) continue;
        moves_[best->id] = {to, now + policy_.return_again_after};
        wanted.push_back(best->id);
    }
    return wanted;
}

}  // namespace emprops::local_hub
