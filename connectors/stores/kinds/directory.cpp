#include "connectors/stores/kinds/directory.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <optional>
#include <system_error>

#include "connectors/stores/cargo/copy.h"
#include "connectors/stores/cargo/reader.h"
#include "connectors/stores/names/key_template.h"
#include "connectors/stores/names/target_names.h"
#include "ipc/text/percent.h"
#include "ipc/unique_fd.h"
#include "ipc/web/digest.h"

namespace emprops::stores {

namespace fs = std::filesystem;

namespace {

std::error_code last_error() {
    return {errno, std::system_category()};
}

constexpr std::uint64_t sync_every = 64ull << 20;

/// A full disk and a share that is away may pass; what the folder is and who may write there does not.
bool may_pass(const std::error_code& error) {
    static constexpr int lasting[] = {ENOTDIR, EACCES, EPERM, ENAMETOOLONG, EISDIR, ELOOP, EINVAL, EROFS};
    return std::find(std::begin(lasting), std::end(lasting), error.value()) == std::end(lasting);
}

std::string why_not(const std::error_code& error) {
    return error.value() == ELOOP || error.value() == ENOTDIR
               ? "a part of it is no folder, or a link, and links are not followed"
               : error.message();
}

/// Moves inside of a folder without ever taking the place of another file.
std::error_code move_to(int folder, const std::string& from, const std::string& to) {
    if (::renameat2(folder, from.c_str(), folder, to.c_str(), RENAME_NOREPLACE) == 0) return {};
    if (errno != EINVAL && errno != ENOSYS) return last_error();
    // A file system that knows no such move. A second name is not given to what is there, either.
    if (::linkat(folder, from.c_str(), folder, to.c_str(), 0) == 0) {
        ::unlinkat(folder, from.c_str(), 0);
        return {};
    }
    if (errno != EPERM && errno != ENOTSUP && errno != EMLINK) return last_error();
    return ::renameat(folder, from.c_str(), folder, to.c_str()) == 0 ? std::error_code() : last_error();
}

/// Opens the folders of a path one after the other, and makes those that are missing; follows no link.
std::error_code open_folders(UniqueFd& folder, const fs::path& path) {
    for (const fs::path& part : path) {
        const bool made = ::mkdirat(folder.get(), part.c_str(), 0777) == 0;
        if (!made && errno != EEXIST) return last_error();
        if (made) ::fsync(folder.get());
        UniqueFd next(::openat(folder.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!next) return last_error();
        folder = std::move(next);
    }
    return {};
}

class Directory : public Store {
  public:
    Directory(DirectorySettings settings, Words words, Road road)
        : settings_(std::move(settings)),
          words_(std::move(words)),
          road_(std::move(road)),
          base_(fs::path(settings_.path).lexically_normal()) {}

    Outcome bring(const Cargo& cargo) override {
        const fs::path wanted = fitted_path(fill_template(settings_.key, cargo.values));
        const fs::path inside = (base_ / wanted).lexically_normal().lexically_relative(base_);
        if (inside.empty() || *inside.begin() == ".." || wanted.is_absolute())
            return Setback{words_.address + " leads out of its folder", false, Ms{0}, Trouble::configuration};
        std::error_code error;
        fs::create_directories(base_, error);
        UniqueFd folder(::open(base_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        error = folder ? open_folders(folder, inside.parent_path()) : last_error();
        if (error) return failed(cargo, base_ / inside, why_not(error), may_pass(error));
        // Another program may take the name between the look and the move.
        for (int i = 0; i < 10; ++i) {
            const fs::path name = names_.give(cargo.owner, inside.string(), [&](const std::string& path) {
                return has_room_for(folder.get(), fs::path(path).filename(), cargo);
            });
            const fs::path target = base_ / name;
            if (is_there(folder.get(), name.filename(), cargo)) return placed(name);
            if (auto setback = copy(folder.get(), cargo, target)) {
                if (setback->message.empty()) continue;
                return std::move(*setback);
            }
            made_ = name.filename();
            folder_ = std::move(folder);
            return placed(name);
        }
        return failed(cargo, base_ / inside, "others take each of its names", true);
    }

    void give_up() override {
        if (!made_.empty()) ::unlinkat(folder_.get(), made_.c_str(), 0);
        made_.clear();
    }

  private:
    Placed placed(const fs::path& name) const {
        Placed result{{{"path", (base_ / name).string()}}};
        if (!settings_.public_url.empty())
            result.entry["url"] = settings_.public_url + "/" + text::percent_encode(name.string(), "/");
        return result;
    }
    Setback failed(const Cargo& cargo, const fs::path& target, const std::string& why, bool passing) const {
        return {"cannot copy \"" + cargo.name + "\" to " + target.string() + ": " + why, passing};
    }

    bool is_there(int folder, const std::string& name, const Cargo& cargo) const {
        const UniqueFd file(::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        struct stat about {};
        if (!file || ::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode) ||
            static_cast<std::uint64_t>(about.st_size) != cargo.size)
            return false;
        const auto hash = sha256_of(file.get(), 0, cargo.size, [&] { return !road_.cancelled(); });
        return hash.ok() && *hash == cargo.sha256;
    }
    /// There is nothing, or the very same.
    bool has_room_for(int folder, const std::string& name, const Cargo& cargo) const {
        struct stat about {};
        if (::fstatat(folder, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) return true;
        return is_there(folder, name, cargo);
    }

    /// Null: it is there. A setback without a message: somebody else has the name now.
    std::optional<Setback> copy(int folder, const Cargo& cargo, const fs::path& target) const {
        // No name that a file of a job can have; the same at each try, so that what a killed process left is found.
        const std::string partial =
            ".emprops-" +
            sha256_hex(value_of(cargo.values, "job_id") + "\n" + target.filename().string()).substr(0, 32) +
            ".part";
        ::unlinkat(folder, partial.c_str(), 0);
        const UniqueFd file(
            ::openat(folder, partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
        if (!file) return failed(cargo, target, last_error().message(), may_pass(last_error()));
        std::error_code error;
        std::uint64_t done = 0;
        const auto read = read_file(cargo.descriptor, 0, cargo.size, [&](std::string_view piece) {
            error = write_all(file.get(), piece);
            done += piece.size();
            // Little is left for the sync at the end, during which nobody hears anything.
            if (done / sync_every != (done - piece.size()) / sync_every) ::fdatasync(file.get());
            if (road_.moved) road_.moved(done);
            return !error && !road_.cancelled();
        });
        if (read.ok() && ::fsync(file.get()) != 0) error = last_error();
        if (read.ok() && !error) error = move_to(folder, partial, target.filename());
        if (read.ok() && !error) {
            ::fsync(folder);
            return {};
        }
        ::unlinkat(folder, partial.c_str(), 0);
        if (error.value() == EEXIST) return Setback{};
        if (error) return failed(cargo, target, error.message(), may_pass(error));
        if (read.error().code == "cancelled") return failed(cargo, target, "cancelled", false);
        return Setback{"cannot read \"" + cargo.name + "\": " + read.error().message, false, Ms{0},
                       Trouble::disk};
    }

    const DirectorySettings settings_;
    const Words words_;
    const Road road_;
    const fs::path base_;
    TargetNames names_;
    UniqueFd folder_;  // of the file that was made last
    std::string made_;
};

}  // namespace

std::unique_ptr<Store> make_directory(DirectorySettings settings, Words words, Road road) {
    return std::make_unique<Directory>(std::move(settings), std::move(words), std::move(road));
}

}  // namespace emprops::stores
