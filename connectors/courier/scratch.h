#pragma once
// Files that the courier makes on its way and that nobody shall find: without a name, gone with their descriptor. Blocking;
// any thread.

#include <cstdint>
#include <functional>
#include <string>

#include "ipc/result.h"
#include "ipc/unique_fd.h"

namespace emprops::courier {

/// Empty; in `folder`, where the file system has files without names, else for a moment under a name in it.
Result<UniqueFd> make_nameless(const std::string& folder);
/// The whole of another file; where the file system can, without copying its blocks. `go_on` is asked between two pieces;
/// false ends it with an Error "cancelled".
Result<UniqueFd> copy_nameless(int from, std::uint64_t size, const std::string& folder,
                               const std::function<bool()>& go_on);

/// A folder in `parent` that is removed with what is in it.
class ScratchFolder {
  public:
    explicit ScratchFolder(const std::string& parent);
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    ~ScratchFolder();
    bool ok() const { return !path_.empty(); }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

}  // namespace emprops::courier
