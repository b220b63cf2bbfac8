#pragma once
// Takes out of a file what tells how it was made: ComfyUI and its nodes write the whole prompt and workflow
// into nearly every format that they save. In place, so that a large file needs no memory: what is cut makes
// the file shorter, and in formats with offsets it is overwritten by the format's own filler. What is kept is
// listed, not what is cut. Of Debian's libraries each knows only some of the places (TagLib not the "mdta"
// keys of an MP4, no Matroska, no `comf` chunk of an animated PNG, none the header of a latent), hence own
// code. Pure.

#include <span>
#include <string>
#include <string_view>

#include "ipc/result.h"

namespace emprops::convert {

/// The file's new size, or why it cannot be done; then the bytes are of no use. `filename` tells formats
/// apart that have no mark of their own.
Result<std::size_t> strip_metadata(std::span<char> file, std::string_view filename);

/// For people: "png, apng, jpeg, ...".
std::string_view strippable_formats();

}  // namespace emprops::convert
