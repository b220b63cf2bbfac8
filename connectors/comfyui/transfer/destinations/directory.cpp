#include "connectors/comfyui/transfer/destinations/directory.h"

#include <fcntl.h>
#include <stdio.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "connectors/comfyui/transfer/destinations/target_names.h"
#include "ipc/web/digest.h"

namespace emprops::comfyui {

namespace fs = std::filesystem;

namespace {

/// A full disk and a share that is away may pass; what the folder is and who may write there does not.
bool may_pass(const std::error_code& error) {
    static constexpr int lasting[] = {ENOTDIR, EACCES, EPERM, ENAMETOOLONG, EISDIR, ELOOP, EINVAL, EROFS};
    return std::find(std::begin(lasting), std::end(lasting), error.value()) == std::end(lasting);
}

/// Moves without ever taking the place of another file.
std::error_code move_to(const fs::path& from, const fs::path& to) {
    if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
    if (errno != EINVAL && errno != ENOSYS) return {errno, std::system_category()};
    std::error_code error;  // a file system that knows no such move
    fs::rename(from, to, error);
    return error;
}

/// There is nothing, or the very same.
bool has_room_for(const Cargo& cargo, const fs::path& target) {
    std::error_code error;
    if (!fs::exists(fs::symlink_status(target, error))) return true;
    return fs::file_size(target, error) == cargo.size && !error && sha256_hex_of_file(target) == cargo.sha256;
}

std::error_code copy_to(const Cargo& cargo, const fs::path& target) {
    std::error_code error;
    fs::create_directories(target.parent_path(), error);
    if (error) return error;
    if (fs::exists(target, error)) return {};  // an earlier attempt of the job brought it
    // No name that a file of a job can have.
    const fs::path partial = target.parent_path() / (".emprops-" + random_hex(16) + ".part");
    fs::copy_file(cargo.path, partial, error);
    if (!error) error = move_to(partial, target);
    std::error_code ignored;
    if (error) fs::remove(partial, ignored);
    return error;
}

}  // namespace

Destination make_directory(const std::string& folder, const std::string& target_template) {
    return [base = fs::path(folder).lexically_normal(), target_template,
            names = TargetNames()](const Cargo& cargo) mutable -> Placement {
        const std::string name = fitted_path(fill_template(target_template, cargo.values));
        const fs::path wanted = (base / name).lexically_normal();
        const fs::path inside = wanted.lexically_relative(base);
        if (inside.empty() || *inside.begin() == "..") {
            return Setback{failure_of(Cause::configuration, "directory_template leads out of directory")};
        }
        const fs::path target = names.give(
            cargo.path, wanted.string(), [&](const std::string& path) { return has_room_for(cargo, path); });
        if (const auto error = copy_to(cargo, target)) {
            return Setback{failure_of(Cause::delivery, "cannot copy \"" + cargo.file.filename + "\" to " +
                                                           target.string() + ": " + error.message()),
                           may_pass(error)};
        }
        return Placed{{{"path", target.string()}}};
    };
}

}  // namespace emprops::comfyui
