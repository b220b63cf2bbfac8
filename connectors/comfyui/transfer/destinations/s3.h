#pragma once
// `s3`: the file goes to a bucket, by path (endpoint/bucket/key), signed with version 4.

#include "connectors/comfyui/transfer/destinations/upload.h"

namespace emprops::comfyui {

Destination make_s3(Uploads uploads, OutputSettings rules);

}  // namespace emprops::comfyui
