#pragma once
// Patterns of names as people write them. Pure, any thread.

#include <string_view>

namespace emprops::text {

/// Whether all of `name` is as `pattern` says: `*` stands for any bytes, `?` for one, everything else for itself. Takes a
/// time in proportion to both lengths, whoever wrote the pattern.
bool fits_glob(std::string_view name, std::string_view pattern);

}  // namespace emprops::text
