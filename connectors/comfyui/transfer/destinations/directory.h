#pragma once
// `directory`: the file is copied into a folder of this machine.

#include "connectors/comfyui/transfer/destinations/destination.h"

namespace emprops::comfyui {

/// `target`: a template for the place in `folder`.
Destination make_directory(const std::string& folder, const std::string& target);

}  // namespace emprops::comfyui
