#pragma once
// Opens what lies below a folder that somebody else may write in: no part of the path may be a link, and none may lead
// out of the folder. Any thread; the calls do not block.

#include <filesystem>

#include "ipc/unique_fd.h"

namespace emprops::process {

/// open(2) of `path`, relative to the folder `at`, with `flags` (O_CLOEXEC is added). Nothing, and errno: ELOOP if there
/// is a link, EXDEV if it leads out.
UniqueFd open_beneath(int at, const std::filesystem::path& path, int flags);

}  // namespace emprops::process
