#include "connectors/comfyui/lease.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

#include "connectors/comfyui/prompt_id.h"

namespace emprops::comfyui {
namespace {

constexpr int max_instances = 256;

std::filesystem::path lease_path(const std::filesystem::path& work_dir, const std::string& job_id) {
    return work_dir / "leases" / sha256_text(job_id).substr(0, 32);
}

/// The work folder without the number of the instance at its end.
std::string common_part(std::string work_dir) {
    while (work_dir.size() > 1 && work_dir.back() == '/') {
        work_dir.pop_back();
    }
    while (!work_dir.empty() && work_dir.back() >= '0' && work_dir.back() <= '9') {
        work_dir.pop_back();
    }
    return work_dir;
}

}  // namespace

Lease::Lease(const std::string& work_dir, const std::string& job_id)
    : path_(lease_path(work_dir, job_id).string()) {
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), ignored);
    file_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    // Somebody who looks holds it for a moment only.
    if (file_ >= 0) flock(file_, LOCK_EX);
}

Lease::~Lease() {
    if (file_ < 0) return;
    unlink(path_.c_str());
    close(file_);
}

bool is_leased(const std::string& work_dir, const std::string& job_id) {
    const std::string common = common_part(work_dir);
    for (int i = 0; i < max_instances; ++i) {
        const auto path = lease_path(common + std::to_string(i), job_id);
        const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (file < 0) continue;
        const bool locked = flock(file, LOCK_SH | LOCK_NB) != 0;
        close(file);
        if (locked) return true;
    }
    return false;
}

}  // namespace emprops::comfyui
