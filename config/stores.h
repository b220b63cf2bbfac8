#pragma once
// The table `stores`: tables [stores.NAME], and beside them one list. Pure.

#include <nlohmann/json.hpp>
#include <string_view>

#include "ipc/result.h"
#include "ipc/web/host_list.h"

namespace emprops::config {

/// `stores.put_allow`: servers to which jobs may send files by a URL of their own.
inline constexpr const char* put_allow_key = "put_allow";

/// Whether this member of `stores` is a store.
constexpr bool is_store(std::string_view name) {
    return name != put_allow_key;
}

/// What `stores` says of them; nobody where it says nothing. Errors: "bad_host".
Result<web::HostList> put_hosts(const nlohmann::json& stores);

}  // namespace emprops::config
