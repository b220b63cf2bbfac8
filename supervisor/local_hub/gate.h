#pragma once
// Who may come in: tokens, paths, and the checks that keep pages of a browser out. Pure.

#include <optional>
#include <string>
#include <string_view>

#include "ipc/web/request_target.h"
#include "supervisor/local_hub/types.h"

namespace emprops::local_hub {

struct WebSocketPath {
    Role role = Role::client;
    std::string id;
};

/// /ws/{worker,client,monitor}/{id}: exactly one segment that is not empty, without an encoded slash.
std::optional<WebSocketPath> websocket_path(const web::RequestTarget& target);

/// A worker sends large results over a second connection with the id "<its id>-bulk" or "<its
/// id>-bulk<number>", which does not register. The worker's id; nullopt for any other id.
std::optional<std::string> owner_of_bulk(std::string_view id);

/// In constant time.
bool same_token(std::string_view expected, std::string_view given);

/// False for a request that a page of another site makes a browser send. `origin` and `host` are the headers'
/// values, empty when missing. A request without Origin comes from no browser page. `loopback_only`: the hub
/// listens on loopback, so a Host that is anything else is a name that was bent to us (DNS rebinding).
bool from_allowed_origin(std::string_view origin, std::string_view host, bool loopback_only);

}  // namespace emprops::local_hub
