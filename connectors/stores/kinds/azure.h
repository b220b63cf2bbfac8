#pragma once
// `azure`: the file becomes a block blob of a container.

#include <cstdint>
#include <memory>

#include "connectors/stores/settings/settings.h"
#include "connectors/stores/store.h"

namespace emprops::stores {

struct AzureLimits {
    std::uint64_t single_bytes = 256ull << 20;  ///< up to here one request
    std::uint64_t block_bytes = 32ull << 20;
    std::uint64_t blocks = 50'000;  ///< Azure's own limit: blocks of larger files are larger
};

/// Blocks of a file that was given up are Azure's to remove: it does so after a week, and has no call for it.
std::unique_ptr<Store> make_azure(AzureSettings settings, Words words, Road road, AzureLimits limits = {});

}  // namespace emprops::stores
