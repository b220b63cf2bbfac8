#include "config/stores.h"

#include <string>
#include <vector>

namespace emprops::config {

Result<web::HostList> put_hosts(const nlohmann::json& stores) {
    const auto list = stores.find(put_allow_key);
    if (list == stores.end()) return web::HostList();
    std::vector<std::string> hosts;
    for (const auto& each : *list)
        if (each.is_string()) hosts.push_back(each.get<std::string>());
    if (!list->is_array() || hosts.size() != list->size())
        return Error{"bad_host",
                     "it must be a list of hosts, such as [\"bucket.s3.amazonaws.com\", \"*.example.com\"]"};
    return web::HostList::parse(hosts);
}

}  // namespace emprops::config
