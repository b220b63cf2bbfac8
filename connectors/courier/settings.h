#pragma once
// The settings of the courier, which the supervisor makes: the stores, the spool, the limits. Read once, then only read,
// from any thread.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "connectors/stores/settings/catalog.h"
#include "emprops/settings.h"

namespace emprops::courier {

struct Settings {
    stores::Json stores = stores::Json::object();
    std::chrono::milliseconds deliver_timeout{30 * 60 * 1000};
    std::string spool;
    std::optional<std::int64_t> uid;

    stores::Catalog catalog{};  ///< what `stores` says
};

/// Throws ConfigurationError that names the key.
Settings read_settings(const stores::Json& given);

}  // namespace emprops::courier
