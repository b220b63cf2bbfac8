#pragma once
// A rename that never takes the place of something else, on each file system. Any thread.

#include <fcntl.h>
#include <stdio.h>  // NOLINT: renameat2
#include <sys/stat.h>

#include <cerrno>

namespace emprops::process {

/// renameat2 with RENAME_NOREPLACE; false, and errno. Where the file system knows no such move (NFS, some of FUSE) the
/// target is looked for first: nobody but us may make anything in its folder.
inline bool rename_new(int from, const char* name, int to, const char* target) {
    if (::renameat2(from, name, to, target, RENAME_NOREPLACE) == 0) return true;
    if (errno != EINVAL && errno != ENOSYS) return false;
    struct stat there {};
    if (::fstatat(to, target, &there, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return false;
    }
    return errno == ENOENT && ::renameat(from, name, to, target) == 0;
}

}  // namespace emprops::process
