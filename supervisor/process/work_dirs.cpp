#include "supervisor/process/work_dirs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "ipc/messages.h"
#include "ipc/web/digest.h"
#include "supervisor/base/log.h"
#include "supervisor/process/os/open_beneath.h"
#include "supervisor/process/os/remove_tree.h"
#include "supervisor/process/os/rename_new.h"

namespace emprops::process {

namespace fs = std::filesystem;

namespace {

Error work_dir_failed(const fs::path& folder, const std::string& why) {
    return {"work_dir", "cannot make the scratch folder " + folder.string() + ": " + why};
}

/// Opens the folder `part` in `at`; makes it, for its user only, if it is not there.
UniqueFd open_or_make(int at, const char* part) {
    if (::mkdirat(at, part, 0700) != 0 && errno != EEXIST) return {};
    return UniqueFd(::openat(at, part, O_RDONLY | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC));
}

/// Takes away what a connector has put where its folder belongs (a link, a file, a folder that cannot be
/// entered or written): else no job would ever get a folder there again.
void make_way(int at, const char* part, int why) {
    if (why == ELOOP || why == ENOTDIR) {
        ::unlinkat(at, part, 0);
    } else if (why == EACCES) {
        ::fchmod(at, 0700);
        make_accessible(at, part);
    }
}

/// Opens `root`/`parts[0]`/`parts[1]`/..., makes what is missing and gives what is below `root` to `user`.
/// The user owns the upper folders and may replace the lower ones by links at any moment: nothing but a real
/// folder is entered. `mend`: what else is there is taken away.
Result<UniqueFd> enter(const fs::path& root, const std::vector<std::string>& parts,
                       const std::optional<UserIds>& user, bool mend = true) {
    std::error_code error;
    fs::create_directories(root, error);
    if (error) return work_dir_failed(root, error.message());
    fs::path folder = root;
    UniqueFd at(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!at) return work_dir_failed(root, std::strerror(errno));
    for (const std::string& part : parts) {
        folder /= part;
        UniqueFd next = open_or_make(at.get(), part.c_str());
        if (!next && mend) {
            make_way(at.get(), part.c_str(), errno);
            next = open_or_make(at.get(), part.c_str());
        }
        if (!next) return work_dir_failed(folder, std::strerror(errno));
        if (user && ::fchown(next.get(), user->uid, user->gid) != 0)
            return work_dir_failed(folder, std::strerror(errno));
        at = std::move(next);
    }
    return at;
}

/// Opens `root`/`parts[0]`/... as it is; nothing and errno: it is not there, or no real folder.
UniqueFd open_existing(const fs::path& root, const std::vector<std::string>& parts) {
    UniqueFd at(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!at) return at;
    fs::path below;
    for (const std::string& part : parts)
        below /= part;
    return open_beneath(at.get(), below, O_PATH | O_DIRECTORY);
}

/// None where it cannot be read.
std::vector<std::string> names_in(const fs::path& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator each(folder, error), end; !error && each != end; each.increment(error))
        names.push_back(each->path().filename().string());
    return names;
}

std::string instance_name(const std::string& connector, int index) {
    return connector + "-" + std::to_string(index);
}

std::string job_name(const std::string& job_id) {
    return sha256_hex(job_id).substr(0, 32);
}

}  // namespace

WorkDirs::~WorkDirs() {
    remover_.join();
}

fs::path WorkDirs::instance(const std::string& connector, int index) const {
    return root_ / instance_name(connector, index);
}

fs::path WorkDirs::job(const std::string& connector, int index, const std::string& job_id) const {
    return instance(connector, index) / "jobs" / job_name(job_id);
}

Result<fs::path> WorkDirs::make_instance(const std::string& connector, int index,
                                         const std::optional<UserIds>& user) {
    const auto folder = enter(root_, {instance_name(connector, index)}, user);
    if (!folder) return folder.error();
    return instance(connector, index);
}

Result<fs::path> WorkDirs::make_service(const std::string& connector, int index,
                                        const std::optional<UserIds>& user) {
    const std::string name = instance_name(connector, index) + "-service";
    const auto folder = enter(root_, {name}, user);
    if (!folder) return folder.error();
    return root_ / name;
}

Result<fs::path> WorkDirs::make_job(const std::string& connector, int index, const std::string& job_id,
                                    const std::optional<UserIds>& user) {
    // The usual case first, for each job: all is as it should be. Whatever is not, the long way finds and mends.
    const std::string instance = instance_name(connector, index);
    const std::string name = job_name(job_id);
    const fs::path path = root_ / instance / "jobs" / name;
    if (const int jobs = user ? -1 : open_jobs(instance);
        jobs >= 0 && ::mkdirat(jobs, name.c_str(), 0700) == 0)
        return path;
    const auto folder = enter(root_, {instance, "jobs", name}, user);
    if (!folder) return folder.error();
    return path;
}

void WorkDirs::move_job(const std::string& connector, int from, int to, const std::string& job_id) {
    std::error_code error;
    if (from == to || !fs::exists(job(connector, from, job_id), error)) return;
    // The owner of the folders is set by make_job, which follows.
    const auto source = enter(root_, {instance_name(connector, from), "jobs"}, {}, false);
    const auto target = enter(root_, {instance_name(connector, to), "jobs"}, {}, false);
    if (!source || !target) return;
    const std::string name = job_name(job_id);
    rename_new(source->get(), name.c_str(), target->get(), name.c_str());
}

bool WorkDirs::missing(const std::string& connector, int index) const {
    struct stat found {};
    return ::lstat(instance(connector, index).c_str(), &found) != 0 && errno == ENOENT;
}

Result<> WorkDirs::make_jobs(const std::string& connector, int index, const std::optional<UserIds>& user) {
    const auto folder = enter(root_, {instance_name(connector, index), "jobs"}, user);
    if (!folder) return folder.error();
    return Ok{};
}

/// -1: there is none that may be entered.
int WorkDirs::open_jobs(const std::string& instance) {
    JobsFolder& kept = jobs_[instance];
    if (kept.fd && kept.identity == FileIdentity::of(root_ / instance / "jobs")) return kept.fd.get();
    kept.fd = open_existing(root_, {instance, "jobs"});
    if (!kept.fd) {
        jobs_.erase(instance);
        return -1;
    }
    kept.identity = FileIdentity::of(kept.fd.get());
    return kept.fd.get();
}

std::string WorkDirs::place(const std::string& connector, int index, const std::string& job_id) {
    return instance_name(connector, index) + "/jobs/" + job_name(job_id);
}

Result<> WorkDirs::take(const std::string& place, const fs::path& target) {
    const fs::path path(place);
    const std::string name = path.filename().string();
    const UniqueFd source = open_existing(root_, {path.begin(), std::prev(path.end())});
    const auto moved = [&] {
        const auto move = [&] { return rename_new(source.get(), name.c_str(), AT_FDCWD, target.c_str()); };
        // A folder that changes its parent is written, too.
        return move() || (errno == EACCES && make_accessible(source.get(), name) && move());
    };
    if (source && moved()) {
        held_.erase(place);
        return Ok{};
    }
    const int why = errno;
    return Error{why == EXDEV    ? "other_disk"
                 : why == ENOENT ? ipc::code::lost
                                 : "work_dir",
                 "cannot take the job's folder " + (root_ / path).string() + ": " + std::strerror(why)};
}

// ---- removal ----------------------------------------------------------------------------------------------

void WorkDirs::remove_job(const std::string& connector, int index, const std::string& job_id) {
    if (held_.contains(place(connector, index, job_id))) return;
    const std::string instance = instance_name(connector, index);
    const std::string name = job_name(job_id);
    // Most are empty: those need no thread.
    const int jobs = open_jobs(instance);
    if (jobs < 0 || ::unlinkat(jobs, name.c_str(), AT_REMOVEDIR) == 0) return;
    take_away(instance, {"jobs"}, name);
}

void WorkDirs::remove_leftovers(const std::string& connector, int index) {
    const std::string name = instance_name(connector, index);
    jobs_.erase(name);
    const fs::path folder = instance(connector, index);
    const auto held = held_.lower_bound(name + "/");
    if (held == held_.end() || !held->starts_with(name + "/")) {
        take_away(name, {}, "jobs");
    } else {
        for (const std::string& left : names_in(folder / "jobs"))
            if (!held_.contains(name + "/jobs/" + left)) take_away(name, {"jobs"}, left);
    }
    for (const std::string& left : names_in(folder))
        if (left.starts_with(".removed-")) remove_later(name, left);
}

void WorkDirs::take_away(const std::string& instance, std::vector<std::string> parts,
                         const std::string& name) {
    parts.insert(parts.begin(), instance);
    const UniqueFd source = open_existing(root_, parts);
    if (!source || ::unlinkat(source.get(), name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return;
    // Out of the way first: the same job may come again before the removal is done.
    const UniqueFd target = open_existing(root_, {instance});
    if (!target) return;
    const std::string doomed = ".removed-" + std::to_string(::getpid()) + "-" + std::to_string(++removed_);
    const auto move = [&] {
        return ::renameat(source.get(), name.c_str(), target.get(), doomed.c_str()) == 0;
    };
    if (!move()) {
        const int why = errno;
        if (why == ENOENT) return;
        // A folder that changes its parent is written, too.
        if (why != EACCES || !make_accessible(source.get(), name) || !move()) {
            fs::path path = root_;
            for (const std::string& part : parts)
                path /= part;
            return removal_failed(path / name, std::strerror(why));
        }
    }
    remove_later(instance, doomed);
}

void WorkDirs::remove_later(const std::string& instance, const std::string& doomed) {
    boost::asio::post(remover_, [this, instance, doomed] {
        const UniqueFd folder = open_existing(root_, {instance});
        if (!folder) return;
        if (const Result<> gone = remove_tree(folder.get(), doomed); !gone)
            removal_failed(root_ / instance, gone.error().message);
    });
}

/// From both threads. Whatever keeps one folder from being removed keeps others as well.
void WorkDirs::removal_failed(const fs::path& folder, const std::string& why) {
    if (complained_.exchange(true)) return;
    logger("process")->error(
        "a scratch folder of an ended job cannot be removed from {} ({}) and keeps its space; the next start of "
        "the worker tries again; further ones are not told",
        folder.string(), why);
}

}  // namespace emprops::process
