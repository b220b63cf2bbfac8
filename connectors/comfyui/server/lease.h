#pragma once
// Which jobs are being processed, told among the instances of one connector: a prompt that one instance sent
// may be waited for by another one that resumed the job. A lease is a locked file in the work folder of the
// instance that has the job; the lock goes with the process, however it ends.

#include <chrono>
#include <functional>
#include <string>

namespace emprops::comfyui {

class Lease {
  public:
    /// Waits between two tries; true: give up.
    using LeasePause = std::function<bool(std::chrono::milliseconds)>;
    /// Takes the lease of a job; `work_dir` is the instance's. Tries a few times only: without a lease (disk
    /// full, an earlier run of the job that has not ended yet) the job runs all the same.
    Lease(const std::string& work_dir, const std::string& job_id, const LeasePause& pause);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    bool held() const { return file_ >= 0; }

  private:
    std::string path_;
    int file_ = -1;
};

/// Removes the lease files that killed processes left in the instance's work folder.
void remove_old_leases(const std::string& work_dir);

/// Whether any instance (work folders "...-0", "...-1", ... beside each other) has the job now.
bool is_leased(const std::string& work_dir, const std::string& job_id);

}  // namespace emprops::comfyui
