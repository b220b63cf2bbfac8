#pragma once
// `http_put`: the file goes to an address of a template.

#include "connectors/comfyui/transfer/destinations/upload.h"

namespace emprops::comfyui {

Destination make_put(Uploads uploads, OutputSettings rules);

}  // namespace emprops::comfyui
