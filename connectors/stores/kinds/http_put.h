#pragma once
// `http_put`: the file goes to an address of a template.

#include <memory>

#include "connectors/stores/settings/settings.h"
#include "connectors/stores/store.h"

namespace emprops::stores {

std::unique_ptr<Store> make_http_put(HttpPutSettings settings, Words words, Road road);

}  // namespace emprops::stores
