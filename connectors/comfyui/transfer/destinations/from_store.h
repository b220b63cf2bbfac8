#pragma once
// `directory`, `http_put` and `s3` are stores of the library that all connectors share (connectors/stores); here they are
// destinations, with the settings that this connector has for them.

#include <memory>

#include "connectors/comfyui/settings.h"
#include "connectors/comfyui/transfer/destinations/destination.h"
#include "connectors/stores/store.h"

namespace emprops::comfyui {

/// A store of the library as a destination, for files whose bytes lie on this machine.
Destination from_store(std::unique_ptr<stores::Store> store);

Destination make_directory(const OutputSettings& rules, stores::Road road);
Destination make_put(const Settings& settings, const OutputSettings& rules, stores::Road road);
Destination make_s3(const Settings& settings, const OutputSettings& rules, stores::Road road);

}  // namespace emprops::comfyui
