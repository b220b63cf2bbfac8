#pragma once
// A path is not the object behind it: which object a path or an open descriptor leads to. Any thread.

#include <sys/stat.h>

#include <filesystem>
#include <optional>

namespace emprops {

struct FileIdentity {
    dev_t device = 0;
    ino_t inode = 0;

    bool operator==(const FileIdentity&) const = default;

    /// Of the path itself, not of what a link leads to. Nothing, and errno: it cannot be seen (ENOENT: nothing is there).
    static std::optional<FileIdentity> of(const std::filesystem::path& path) {
        struct stat found {};
        if (::lstat(path.c_str(), &found) != 0) return std::nullopt;
        return FileIdentity{found.st_dev, found.st_ino};
    }
    /// Of an open file. Nothing, and errno: it is none.
    static std::optional<FileIdentity> of(int fd) {
        struct stat found {};
        if (::fstat(fd, &found) != 0) return std::nullopt;
        return FileIdentity{found.st_dev, found.st_ino};
    }
};

}  // namespace emprops
