#pragma once
// The table `stores`: tables [stores.NAME], and beside them one list. Pure.

#include <nlohmann/json.hpp>
#include <string_view>

#include "ipc/result.h"
#include "ipc/web/host_list.h"

namespace emprops::config {

/// Whether this member of `stores` is a store.
constexpr bool is_store(std::string_view name) {
    return name != web::put_allow_key;
}

/// Whether jobs may name this store as a destination of theirs.
bool is_for_jobs(const nlohmann::json& store);

/// Servers to which jobs may send files by a URL of their own (`stores.put_allow`); nobody where it says nothing. Errors:
/// "bad_host".
Result<web::HostList> put_hosts(const nlohmann::json& stores);

}  // namespace emprops::config
