#pragma once
// `reference`: the file stays in ComfyUI, and the result has a link to it.

#include <functional>

#include "connectors/comfyui/settings.h"
#include "connectors/comfyui/transfer/destinations/destination.h"

namespace emprops::comfyui {

/// `link`: to a file of ComfyUI's. `settings` outlives it.
Destination make_reference(const Settings& settings, const OutputSettings& rules,
                           std::function<std::string(const OutputFile&)> link);

}  // namespace emprops::comfyui
