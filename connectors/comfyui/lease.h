#pragma once
// Which jobs are being processed, told among the instances of one connector: a prompt that one instance sent
// may be waited for by another one that resumed the job. A lease is a locked file in the work folder of the
// instance that has the job; the lock goes with the process, however it ends.

#include <string>

namespace emprops::comfyui {

class Lease {
  public:
    /// Takes the lease of a job; `work_dir` is the instance's. Without a lease (disk full) the job runs all
    /// the same.
    Lease(const std::string& work_dir, const std::string& job_id);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    bool held() const { return file_ >= 0; }

  private:
    std::string path_;
    int file_ = -1;
};

/// Whether any instance (work folders "...-0", "...-1", ... beside each other) has the job now.
bool is_leased(const std::string& work_dir, const std::string& job_id);

}  // namespace emprops::comfyui
