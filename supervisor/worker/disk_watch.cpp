#include "supervisor/worker/disk_watch.h"

#include <sys/statvfs.h>

#include <utility>

#include "ipc/text/people.h"

namespace emprops {

std::optional<std::uint64_t> free_bytes(const std::filesystem::path& folder) {
    struct statvfs about {};
    for (std::filesystem::path at = folder; ::statvfs(at.c_str(), &about) != 0; at = at.parent_path())
        if (!at.has_relative_path()) return std::nullopt;
    return static_cast<std::uint64_t>(about.f_bavail) * about.f_frsize;
}

void DiskWatch::look() {
    const std::uint64_t least = least_ + (problem_.empty() ? 0 : least_ / 8);
    problem_.clear();
    for (const std::filesystem::path& folder : folders_) {
        const auto free = least_ > 0 ? free_(folder) : std::nullopt;
        if (!free || *free >= least) continue;
        problem_ = "the disk of " + folder.string() + " has " + human_bytes(*free) + " left, and " +
                   human_bytes(least) +
                   " are wanted before another job makes files (files.min_free): make room there";
        return;
    }
}

}  // namespace emprops
