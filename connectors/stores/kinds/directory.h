#pragma once
// `directory`: the file is copied into a folder of this machine, and on its disk before it is said to be there.

#include <memory>

#include "connectors/stores/settings/settings.h"
#include "connectors/stores/store.h"

namespace emprops::stores {

std::unique_ptr<Store> make_directory(DirectorySettings settings, Words words, Road road);

}  // namespace emprops::stores
