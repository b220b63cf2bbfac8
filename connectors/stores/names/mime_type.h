#pragma once
// The type of a file by its name. Pure.

#include <string>
#include <string_view>

namespace emprops::stores {

/// By the extension; application/octet-stream when unknown.
std::string mime_type_of(std::string_view filename);

}  // namespace emprops::stores
