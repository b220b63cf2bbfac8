#pragma once
// Sentences and checks for the way to sources and destinations through the proxy that the environment names
// (ipc/web/proxy.h). ComfyUI itself is never asked through one. Any thread; looks names up.

#include <string>

#include "connectors/stores/http/address.h"

namespace emprops::stores {

/// For people: its address without user and password.
std::string shown_proxy(const std::string& proxy);
/// A proxy connects in our place, so that no address can be checked at the connect: a host that is a private address, or
/// a name that has one here, must not be asked for, unless `permitted` names it. A name that only the proxy knows is the
/// proxy's to judge.
bool may_not_be_asked_for(const std::string& url, const Permitted& permitted = {});

}  // namespace emprops::stores
