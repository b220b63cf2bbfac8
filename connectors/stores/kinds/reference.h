#pragma once
// `reference`: the file stays with the service that made it, and its entry has a link to it.

#include <memory>

#include "connectors/stores/settings/settings.h"
#include "connectors/stores/store.h"

namespace emprops::stores {

std::unique_ptr<Store> make_reference(ReferenceSettings settings, Words words);

}  // namespace emprops::stores
