#pragma once
// A C file that closes itself: what downloads and uploads write and read through. Failures: as std::fopen, a null handle.

#include <cstdio>
#include <memory>

namespace emprops::comfyui {

struct FileCloser {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using FileHandle = std::unique_ptr<std::FILE, FileCloser>;

}  // namespace emprops::comfyui
