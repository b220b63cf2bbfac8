#include "supervisor/local_hub/statistics.h"

#include "ipc/envelope.h"

namespace emprops::local_hub {
namespace {

constexpr std::size_t listed_jobs = 100;

struct WorkerLists {
    Json by_id = Json::object();
    Json ids = Json::array();
    Json subscribed = Json::array();
    Json active = Json::array();
    std::map<std::string, int> by_status;
};

WorkerLists list(const Workers& workers, const Jobs& jobs) {
    WorkerLists lists;
    for (const auto& [connection, worker] : workers.all()) {
        if (worker.bulk_of) continue;
        lists.ids.push_back(worker.id);
        if (worker.subscribed) lists.subscribed.push_back(worker.id);
        ++lists.by_status[worker.status];
        Json shown{{"status", worker.status},
                   {"connection_status", worker.status},
                   {"is_accepting_jobs", worker.idle() && !worker.leaving}};
        if (worker.registered) {
            shown["capabilities"] = ipc::decoded(worker.capabilities).value_or(nullptr);
            shown["supported_job_types"] = worker.job_types;
        }
        lists.by_id[worker.id] = std::move(shown);
        const auto held = jobs.held_by(connection);
        lists.active.push_back({{"id", worker.id},
                                {"status", worker.status},
                                {"connected_at", worker.connected_at},
                                {"jobs_processed", worker.jobs_processed},
                                {"last_heartbeat", worker.last_heartbeat},
                                {"current_job_id", held.empty() ? "" : *held.begin()}});
    }
    return lists;
}

}  // namespace

Json statistics(const Workers& workers, const Jobs& jobs, const JobQueue& queue, const Audience& audience) {
    const auto lists = list(workers, jobs);
    auto running = Json::array();
    auto job_subscriptions = Json::object();
    for (const auto& id : jobs.claimed()) {
        if (running.size() == listed_jobs) break;
        const auto& job = jobs.find(id)->job;
        running.push_back({{"id", job.id},
                           {"job_type", job.type},
                           {"status", name_of(job.status)},
                           {"priority", job.priority},
                           {"worker_id", job.worker_id},
                           {"progress", job.progress ? Json(*job.progress) : Json()}});
        job_subscriptions[job.id] = job.client_id;
    }
    auto jobs_by_status = Json::object();
    auto total = static_cast<std::uint64_t>(jobs.unfinished());
    if (!queue.empty()) jobs_by_status["pending"] = queue.size();
    if (!jobs.claimed().empty()) jobs_by_status["claimed"] = jobs.claimed().size();
    for (const auto& [status, count] : jobs.finished()) {
        if (count > 0) jobs_by_status[std::string(name_of(status))] = count;
        total += count;
    }
    const auto with_priority = queue.size_with_priority();
    const Json queues{
        {"priority", with_priority}, {"standard", queue.size() - with_priority}, {"total", queue.size()}};
    const Json job_totals{{"total", total}, {"status", jobs_by_status}, {"active_jobs", running}};
    const Json worker_totals{
        {"total", lists.ids.size()}, {"status", lists.by_status}, {"active_workers", lists.active}};
    return Json{
        {"connections",
         {{"clients", audience.client_ids()}, {"workers", lists.ids}, {"monitors", audience.monitor_ids()}}},
        {"workers", lists.by_id},
        {"subscriptions",
         {{"stats", Json::array()}, {"job_notifications", lists.subscribed}, {"jobs", job_subscriptions}}},
        {"system", {{"queues", queues}, {"jobs", job_totals}, {"workers", worker_totals}}}};
}

}  // namespace emprops::local_hub
