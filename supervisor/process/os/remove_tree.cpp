#include "supervisor/process/os/remove_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>

#include "ipc/unique_fd.h"
#include "supervisor/process/os/rename_new.h"

namespace emprops::process {
namespace {

/// A folder into which somebody writes as fast as it is emptied is left alone after so many passes.
constexpr int most_passes = 100;

struct CloseFolder {
    void operator()(DIR* folder) const { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

/// Null and errno: it is none, or not ours to open.
Folder open_folder(int at, const std::string& name) {
    constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    UniqueFd fd(::openat(at, name.c_str(), flags));
    if (!fd && errno == EACCES && make_accessible(at, name)) fd.reset(::openat(at, name.c_str(), flags));
    if (!fd) return nullptr;
    struct stat found {};
    // Without the right to write nothing is removed from it. If that cannot be had, the removals say why.
    if (::fstat(fd.get(), &found) == 0 && (found.st_mode & S_IRWXU) != S_IRWXU) ::fchmod(fd.get(), 0700);
    Folder folder(::fdopendir(fd.get()));
    if (folder) fd.release();
    return folder;
}

/// The walk: what lies two levels below the top is moved up to the top, so that no folder is ever entered through
/// more than one other.
class Removal {
  public:
    Result<> run(int at, const std::string& name) {
        if (::unlinkat(at, name.c_str(), 0) == 0 || errno == ENOENT) return Ok{};
        const Folder top = open_folder(at, name);
        if (!top) return failed(name);
        top_ = ::dirfd(top.get());
        name_ = name;
        while (pass(top.get(), [this](const std::string& entry) { return remove_from_top(entry); }))
            continue;
        if (failure_.empty() && ::unlinkat(at, name.c_str(), AT_REMOVEDIR) != 0) failed(name);
        if (!failure_.empty()) return Error{"remove", failure_};
        return Ok{};
    }

  private:
    Error failed(const std::string& path) {
        if (failure_.empty()) failure_ = path + ": " + std::strerror(errno);
        return {"remove", failure_};
    }

    /// Every entry once; whether any is gone now.
    template <class Remove>
    static bool pass(DIR* folder, Remove remove) {
        bool progress = false;
        ::rewinddir(folder);
        while (const dirent* entry = ::readdir(folder)) {
            const std::string name = entry->d_name;
            if (name != "." && name != ".." && remove(name)) progress = true;
        }
        return progress;
    }

    bool remove_from_top(const std::string& entry) {
        if (::unlinkat(top_, entry.c_str(), 0) == 0) return true;
        if (errno != EISDIR) return failed(name_ + "/" + entry), false;
        const Folder folder = open_folder(top_, entry);
        if (!folder) return failed(name_ + "/" + entry), false;
        int passes = 0;
        while (pass(folder.get(), [&](const std::string& child) {
            return empty_or_lift(::dirfd(folder.get()), child, name_ + "/" + entry + "/" + child);
        })) {
            if (++passes > most_passes) break;
        }
        if (::unlinkat(top_, entry.c_str(), AT_REMOVEDIR) == 0) return true;
        failed(name_ + "/" + entry);
        return false;
    }

    bool empty_or_lift(int at, const std::string& child, const std::string& path) {
        if (::unlinkat(at, child.c_str(), 0) == 0) return true;
        if (errno != EISDIR) return failed(path), false;
        if (::unlinkat(at, child.c_str(), AT_REMOVEDIR) == 0) return true;
        if (errno != ENOTEMPTY && errno != EEXIST) return failed(path), false;
        // A folder that changes its parent is written, too.
        if (lift(at, child) || (errno == EACCES && make_accessible(at, child) && lift(at, child)))
            return true;
        failed(path);
        return false;
    }

    bool lift(int at, const std::string& child) {
        for (;;) {
            const std::string fresh = ".lifted-" + std::to_string(++lifted_);
            if (rename_new(at, child.c_str(), top_, fresh.c_str())) return true;
            if (errno != EEXIST) return false;
        }
    }

    int top_ = -1;
    std::string name_;
    std::uint64_t lifted_ = 0;
    std::string failure_;
};

}  // namespace

bool make_accessible(int at, const std::string& name) {
    const UniqueFd folder(::openat(at, name.c_str(), O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC));
    return folder && ::chmod(("/proc/self/fd/" + std::to_string(folder.get())).c_str(), 0700) == 0;
}

Result<> remove_tree(int at, const std::string& name) {
    return Removal().run(at, name);
}

}  // namespace emprops::process
