#pragma once
// Whether what came is a file, or something that a server gives in place of one: a login, the page of a share, an
// error. Pure.

#include <string>
#include <string_view>

namespace emprops::comfyui {

/// Of a file that is to be `filename`: what it is in its place ("a web page (text/html)"); empty: nothing speaks
/// against it. `content_type`: what the server said, if one gave it; `begin`: its first bytes (512 are enough).
std::string no_file_but(std::string_view filename, std::string_view content_type, std::string_view begin);

}  // namespace emprops::comfyui
