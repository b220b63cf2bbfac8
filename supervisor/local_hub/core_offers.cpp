// Who is offered what: every idle worker has at most one open offer, the worker that waited longest is next,
// and it gets the best job of its types that nobody else is being offered.

#include <algorithm>

#include "supervisor/local_hub/chunking.h"
#include "supervisor/local_hub/core.h"

namespace emprops::local_hub {

void Core::make_offers(Turn& turn) {
    if (queue_.empty()) return;
    std::vector<Worker*> idle;
    for (auto& [connection, worker] : workers_) {
        if (worker.registered && !worker.leaving && worker.status == "idle" && !worker.offer) {
            idle.push_back(&worker);
        }
    }
    std::sort(idle.begin(), idle.end(),
              [](const Worker* a, const Worker* b) { return a->last_offered < b->last_offered; });
    for (auto* worker : idle) {
        const auto job_id = queue_.first(worker->job_types, [&](const std::string& id) {
            return may_be_offered(active_.at(id), *worker);
        });
        if (job_id) offer(active_.at(*job_id), *worker, turn);
    }
}

bool Core::may_be_offered(const ActiveJob& active, const Worker& worker) const {
    if (active.offered_to || worker.passed_by.contains(active.job.id)) return false;
    return active.job.last_failer != worker.id || !other_eligible(active, worker);
}

/// Whether somebody but this worker could take the job, now or when it has finished what it does.
bool Core::other_eligible(const ActiveJob& active, const Worker& worker) const {
    return std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
        const auto& other = entry.second;
        return other.connection != worker.connection && other.registered && !other.leaving &&
               other.job_types.contains(active.job.type);
    });
}

void Core::offer(ActiveJob& active, Worker& worker, Turn& turn) {
    const auto& job = active.job;
    auto payload = store_.payload(job.id);
    if (!payload.ok()) {
        worker.passed_by[job.id] = turn.now.steady + policy_.offer_again_after;
        turn.out.push_back(Warn{payload.error().message});
        return;
    }
    const auto mib = static_cast<int>(payload->size() >> 20);
    worker.offer = Offer{.job_id = job.id,
                         .until = turn.now.steady + policy_.offer_hold + mib * policy_.offer_hold_per_mib};
    worker.last_offered = ++offers_made_;
    active.offered_to = worker.connection;
    const Json fields{{"job_id", job.id}, {"job_type", job.type}, {"priority", job.priority}};
    auto text =
        message_text("job_available", turn.now.epoch_seconds, fields, "job_request_payload", *payload);
    turn.out.push_back(SendTo{worker.connection, to_frames(std::move(text), "job_available", job.id)});
}

void Core::expire_offers(const Now& now) {
    for (auto& [connection, worker] : workers_) {
        std::erase_if(worker.passed_by, [&](const auto& entry) { return entry.second <= now.steady; });
        if (!worker.offer || worker.offer->until > now.steady) continue;
        const auto job_id = worker.offer->job_id;
        worker.passed_by[job_id] = now.steady + policy_.offer_again_after;
        if (auto* job = active(job_id)) clear_offer(*job);
        worker.offer.reset();
    }
}

}  // namespace emprops::local_hub
