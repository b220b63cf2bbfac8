#pragma once
// `inline`: the file's bytes stand in the result, as base64.

#include "connectors/comfyui/transfer/destinations/destination.h"

namespace emprops::comfyui {

/// `budget`: bytes of all files and texts of the job, before base64. `used`: what texts take of it.
Destination make_inline(std::uint64_t budget, std::uint64_t used);

}  // namespace emprops::comfyui
