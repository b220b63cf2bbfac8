#pragma once
// A memory limit for a whole connector tree by cgroup v2, where a part of the hierarchy is delegated to us
// (systemd: Delegate=yes). Best effort: where it is not, open() says why and connectors run without it. Event
// loop thread.

#include <cstdint>
#include <filesystem>
#include <string>

#include "ipc/result.h"

namespace emprops::process {

class CgroupParent {
  public:
    /// Our own cgroup below the v2 mount, prepared for children with memory limits: our processes move into
    /// its child "supervisor", because a group with limited children must not hold processes itself.
    static Result<CgroupParent> open();
    /// The same for a given directory; for tests.
    static Result<CgroupParent> open(const std::filesystem::path& directory);

    /// Makes the child group `name` with memory.max; the returned file takes the process ("cgroup.procs").
    Result<std::filesystem::path> make(const std::string& name, std::uint64_t memory_max_bytes) const;
    /// Kills what is left in the group and removes it; a group that is not there is no error.
    void remove(const std::string& name) const;

  private:
    explicit CgroupParent(std::filesystem::path directory) : directory_(std::move(directory)) {}
    std::filesystem::path directory_;
};

}  // namespace emprops::process
