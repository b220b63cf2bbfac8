#pragma once
// Whether the disks on which jobs leave their files have room for another job: asked before one is claimed, since a full
// disk costs what was rendered. Owned by JobFlow; event loop thread only.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace emprops {

/// Bytes that we may still write to the file system of `folder`, or of the nearest one above that is there.
std::optional<std::uint64_t> free_bytes(const std::filesystem::path& folder);

class DiskWatch {
  public:
    using Free = std::function<std::optional<std::uint64_t>(const std::filesystem::path&)>;
    explicit DiskWatch(std::vector<std::filesystem::path> folders, Free free = free_bytes)
        : folders_(std::move(folders)), free_(std::move(free)) {}

    /// With less than this there is a problem, which ends with an eighth more. 0: never.
    void set_least(std::uint64_t bytes) { least_ = bytes; }
    void look();
    /// A sentence for a person; empty: there is room.
    const std::string& problem() const { return problem_; }

  private:
    std::vector<std::filesystem::path> folders_;
    Free free_;
    std::uint64_t least_ = 0;
    std::string problem_;
};

}  // namespace emprops
