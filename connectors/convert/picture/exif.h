#pragma once
// EXIF, as far as it concerns the look of a picture and ComfyUI's texts. What is read is a stranger's: whatever does not
// fit is passed over. Pure; fuzzed.

#include <string>
#include <utility>
#include <vector>

namespace emprops::convert {

/// The orientation that it says, 1 to 8; 1 where it says none.
int orientation_of(const std::string& exif);
/// Sets an orientation that stands there to 1: the picture is upright now.
void set_upright(std::string& exif);

/// The texts of a PNG, put behind what is there, as ComfyUI does it in its own WebP files: `prompt` is the model of the
/// camera ("prompt:{...}"), each other one has a tag of its own from the maker's downwards.
void add_texts(std::string& exif, const std::vector<std::pair<std::string, std::string>>& texts);

}  // namespace emprops::convert
