#pragma once
// `s3`: the file goes to a bucket of any server that speaks S3.

#include <memory>

#include "connectors/stores/kinds/s3_multipart.h"
#include "connectors/stores/settings/settings.h"
#include "connectors/stores/store.h"

namespace emprops::stores {

/// Files above limits.single_bytes go in parts.
std::unique_ptr<Store> make_s3(S3Settings settings, Words words, Road road, S3Limits limits = {});

}  // namespace emprops::stores
