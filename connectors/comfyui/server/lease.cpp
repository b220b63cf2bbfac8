#include "connectors/comfyui/server/lease.h"
#include "ipc/web/digest.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <vector>

#include "connectors/comfyui/text/prompt_id.h"

namespace emprops::comfyui {
namespace {

constexpr int max_instances = 256;
constexpr int lock_tries = 10;
constexpr std::chrono::milliseconds lock_pause{50};

bool lock(int file) {
    return flock(file, LOCK_EX | LOCK_NB) == 0;
}

/// Whether the path still leads to the open file: its last holder may have removed it.
bool is_there(const std::string& path, int file) {
    struct stat by_name {};
    struct stat opened {};
    return stat(path.c_str(), &by_name) == 0 && fstat(file, &opened) == 0 &&
           by_name.st_ino == opened.st_ino && by_name.st_dev == opened.st_dev;
}

std::filesystem::path lease_path(const std::filesystem::path& work_dir, const std::string& job_id) {
    return work_dir / "leases" / sha256_hex(job_id).substr(0, 32);
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

Lease::Lease(const std::string& work_dir, const std::string& job_id, const LeasePause& pause)
    : path_(lease_path(work_dir, job_id).string()) {
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), ignored);
    // Somebody who looks holds it for a moment only.
    for (int i = 0; i < lock_tries; ++i) {
        const int file = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (file < 0) return;
        if (lock(file) && is_there(path_, file)) {
            file_ = file;
            return;
        }
        close(file);
        if (i + 1 < lock_tries && pause(lock_pause)) return;
    }
}

Lease::~Lease() {
    if (file_ < 0) return;
    unlink(path_.c_str());  // while it is locked: after that the path may be somebody else's
    close(file_);
}

void remove_old_leases(const std::string& work_dir) {
    std::error_code error;
    std::vector<std::string> paths;
    for (std::filesystem::directory_iterator at(std::filesystem::path(work_dir) / "leases", error), end;
         !error && at != end; at.increment(error)) {
        paths.push_back(at->path().string());
    }
    for (const std::string& path : paths) {
        const int file = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (file < 0) continue;
        if (lock(file) && is_there(path, file)) unlink(path.c_str());
        close(file);
    }
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
