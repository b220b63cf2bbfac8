#include "connectors/courier/courier.h"

#include <utility>

#include "connectors/courier/delivery.h"
#include "connectors/courier/order.h"

namespace emprops::courier {

void Courier::initialize(const ConnectorSettings& settings, ConnectorContext& context) {
    settings_ = read_settings(settings.settings);
    forms_.emplace(settings_, [&context](const std::string& what) { context.log("warn", what); });
}

std::vector<std::string> Courier::check_settings(const ConnectorSettings& settings) {
    read_settings(settings.settings);
    return {};
}

std::unique_ptr<stores::HttpClient> Courier::take_client() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<stores::HttpClient>();
    auto client = std::move(idle_.back());
    idle_.pop_back();
    return client;
}

void Courier::give_back(std::unique_ptr<stores::HttpClient> client) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(client));
}

Json Courier::process_job(const Job& job, JobContext& context) {
    Order order = read_order(job.payload());
    order.repeat = order.repeat || job.attempt > 1;
    auto client = take_client();
    // After a failure a connection may be in any state: its client is not kept.
    Json result = Delivery(settings_, order, *forms_, job.work_dir, *client, context).run();
    give_back(std::move(client));
    return result;
}

}  // namespace emprops::courier
