#pragma once
// A value that a server has under another spelling: workflows travel between Windows and Linux, and between people who
// sort their models in other folders. Pure.

#include <string>
#include <string_view>
#include <vector>

namespace emprops::comfyui {

/// Which of the values that a server has are probably meant.
struct Counterpart {
    std::string same;  ///< but for separators, letter case and blanks around it; empty: none, or several
    std::vector<std::string> elsewhere;  ///< of the same file name in other folders, where none is the same
};
Counterpart counterpart_of(std::string_view wanted, const std::vector<std::string>& there);

}  // namespace emprops::comfyui
