#include "config/stores.h"

#include "ipc/json_text.h"

namespace emprops::config {

bool is_for_jobs(const nlohmann::json& store) {
    return store.is_object() && store.value("jobs", nlohmann::json()) == true;
}

Result<web::HostList> put_hosts(const nlohmann::json& stores) {
    const auto list = stores.find(web::put_allow_key);
    if (list == stores.end()) return web::HostList();
    const auto hosts = ipc::all_texts(*list);
    if (!hosts)
        return Error{"bad_host",
                     "it must be a list of hosts, such as [\"bucket.s3.amazonaws.com\", \"*.example.com\"]"};
    return web::HostList::parse(*hosts);
}

}  // namespace emprops::config
