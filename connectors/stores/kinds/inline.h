#pragma once
// `inline`: the bytes of the file stand in its entry, as base64.

#include <memory>

#include "connectors/stores/settings/settings.h"
#include "connectors/stores/store.h"

namespace emprops::stores {

/// `most`: bytes of the file, before base64.
std::unique_ptr<Store> make_inline(std::uint64_t most);

}  // namespace emprops::stores
