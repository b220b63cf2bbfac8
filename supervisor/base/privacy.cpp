#include "supervisor/base/privacy.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace emprops {

void hide_from_own_user() {
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

std::error_code make_private_folder(const std::filesystem::path& folder) {
    std::error_code failed;
    const bool is_new = std::filesystem::create_directories(folder, failed);
    if (is_new && !failed) std::filesystem::permissions(folder, std::filesystem::perms::owner_all, failed);
    return failed;
}

std::string others_may_write(const std::filesystem::path& folder, const std::string& setting) {
    struct stat found {};
    if (::stat(folder.c_str(), &found) != 0 || (found.st_mode & S_IWOTH) == 0) return {};
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", found.st_mode & 07777U);
    return "others may write in " + folder.string() + " (mode " + mode +
           "), and could put a link where a file of this worker belongs: run `chmod o-w " + folder.string() +
           "`, or set " + setting + " to a folder of its own, for example one in it";
}

int open_own_file(const std::filesystem::path& file, int flags, mode_t mode) {
    return ::open(file.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, mode);
}

std::string open_problem(int number) {
    if (number == ELOOP) return "it is a link, and no file of this worker is opened through one; remove it";
    return std::strerror(number);
}

int sync_folder(const std::filesystem::path& folder) {
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno;
    const int failed = ::fsync(fd) == 0 ? 0 : errno;
    ::close(fd);
    return failed;
}

bool means_no_locks(int number) {
    return number != EWOULDBLOCK && number != EACCES && number != EINTR;
}

std::string without_locks(int number, const std::string& setting) {
    return std::string("its file system has no locks (") + std::strerror(number) +
           "), as NFS without lockd or Lustre without -o flock; put it on a local disk (" + setting + ")";
}

}  // namespace emprops
