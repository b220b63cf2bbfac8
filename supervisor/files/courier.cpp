#include "supervisor/files/courier.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "config/conversions.h"
#include "config/stores.h"
#include "ipc/text/values.h"
#include "ipc/web/host.h"
#include "ipc/web/url.h"

namespace emprops::files {
namespace {

/// By which the worker's own HTTP goes out: the courier goes the same way.
constexpr const char* for_http[] = {"HTTPS_PROXY",   "https_proxy",  "http_proxy",    "HTTP_PROXY",
                                    "ALL_PROXY",     "all_proxy",    "NO_PROXY",      "no_proxy",
                                    "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE"};

/// The Hub is on this machine, and so is whoever opens a link.
bool client_is_here(const config::HubSettings& hub) {
    if (hub.embedded) return true;
    if (hub.url.empty()) return web::is_loopback_host(hub.host);
    const auto url = web::Url::parse(hub.url);
    return url && web::is_loopback_host(url->host);
}

/// The operator's choice.
const std::vector<std::string>& configured_stores(const std::string& connector,
                                                  const config::Settings& settings) {
    const config::ConnectorSettings* const found = settings.connector(connector);
    if (found != nullptr && !found->deliver.empty()) return found->deliver;
    return settings.files.deliver;
}

}  // namespace

config::ConnectorSettings courier_settings(const config::Settings& settings,
                                           const std::filesystem::path& spool) {
    config::ConnectorSettings courier;
    courier.name = config::courier_name;
    courier.supervision = settings.supervision;
    // How long a file is tried is its own setting, and the courier says that it is alive.
    courier.supervision.job_timeout = config::off;
    courier.supervision.max_jobs = 0;
    // What stands in a result stood in a line of its before.
    courier.supervision.max_line_bytes =
        std::max(courier.supervision.max_line_bytes, settings.hub.send_limit + config::MiB);
    courier.supervision.no_new_privs = true;
    courier.supervision.user.clear();
    for (const char* name : for_http)
        if (const char* value = std::getenv(name)) courier.env[name] = value;
    courier.concurrency = settings.files.at_once;
    nlohmann::json stores = settings.stores;
    stores["reference"] = {{"type", "reference"},
                           {"base_url", settings.files.reference_base_url},
                           {"allow_local", client_is_here(settings.hub)}};
    courier.settings = {{"stores", std::move(stores)},
                        {"spool", spool.string()},
                        {"commands", settings.files.commands},
                        {"deliver_timeout", std::to_string(settings.files.deliver_timeout.count()) + "ms"}};
    return courier;
}

ipc::FilesOffer offer_of(const config::Settings& settings) {
    ipc::FilesOffer offer;
    for (const auto& [name, store] : settings.stores.items()) {
        if (!config::is_store(name)) continue;
        offer.stores.push_back(name);
        if (config::is_for_jobs(store)) offer.jobs.push_back(name);
    }
    offer.stores.emplace_back("inline");
    offer.stores.emplace_back("reference");
    offer.max_bytes = settings.files.spool_max_bytes;
    offer.deliver = settings.files.deliver;
    return offer;
}

void choose_stores(FileOnWay& file, const std::string& connector, const config::Settings& settings) {
    const ipc::FilesOffer offer = offer_of(settings);
    const auto& configured = configured_stores(connector, settings);
    const bool says = file.file.deliver && !file.file.deliver->empty();
    file.stores.clear();
    file.by_job.clear();
    if (file.to) file.stores.push_back(file.to->label);
    for (const std::string& name : says ? *file.file.deliver : configured) {
        if (!text::has_item(offer.stores, name)) {
            file.passed_over.push_back(name + ": there is no [stores." + name + "]");
            continue;
        }
        file.stores.push_back(name);
        if (text::has_item(offer.jobs, name) && !text::has_item(configured, name))
            file.by_job.push_back(name);
    }
    if (file.stores.empty())
        file.failed = ipc::JobError{ipc::code::service_unavailable, "no store is left to take it", true, {}};
}

ipc::ConvertWish wanted_form(const ipc::ConvertWish& of_job, const std::string& connector,
                             const config::Settings& settings) {
    ipc::ConvertWish wish = of_job;
    const config::ConnectorSettings* const found = settings.connector(connector);
    if (found != nullptr) wish = ipc::merged(wish, config::convert_wish(found->convert));
    return ipc::merged(wish, config::convert_wish(settings.files.convert));
}

}  // namespace emprops::files
