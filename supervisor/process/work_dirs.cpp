#include "supervisor/process/work_dirs.h"

#include <pwd.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "supervisor/base/digest.h"

namespace emprops::process {

namespace fs = std::filesystem;

namespace {

Error work_dir_failed(const fs::path& folder, const std::string& why) {
    return {"work_dir", "cannot make the scratch folder " + folder.string() + ": " + why};
}

Result<fs::path> make(const fs::path& folder, const std::string& user) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return work_dir_failed(folder, error.message());
    if (user.empty()) return folder;
    const passwd* entry = ::getpwnam(user.c_str());
    if (entry == nullptr) return work_dir_failed(folder, "the user \"" + user + "\" does not exist");
    if (::chown(folder.c_str(), entry->pw_uid, entry->pw_gid) != 0)
        return work_dir_failed(folder, std::strerror(errno));
    return folder;
}

}  // namespace

WorkDirs::~WorkDirs() {
    remover_.join();
}

fs::path WorkDirs::instance(const std::string& connector, int index) const {
    return fs::absolute(root_) / (connector + "-" + std::to_string(index));
}

fs::path WorkDirs::job(const std::string& connector, int index, const std::string& job_id) const {
    return instance(connector, index) / "jobs" / sha256_hex(job_id).substr(0, 32);
}

Result<fs::path> WorkDirs::make_instance(const std::string& connector, int index, const std::string& user) {
    return make(instance(connector, index), user);
}

Result<fs::path> WorkDirs::make_job(const std::string& connector, int index, const std::string& job_id,
                                    const std::string& user) {
    return make(job(connector, index, job_id), user);
}

void WorkDirs::move_job(const std::string& connector, int from, int to, const std::string& job_id) {
    const fs::path source = job(connector, from, job_id);
    const fs::path target = job(connector, to, job_id);
    std::error_code error;
    if (from == to || !fs::exists(source, error) || fs::exists(target, error)) return;
    fs::create_directories(target.parent_path(), error);
    fs::rename(source, target, error);
}

void WorkDirs::remove_job(const std::string& connector, int index, const std::string& job_id) {
    remove_later(job(connector, index, job_id));
}

void WorkDirs::remove_leftovers(const std::string& connector, int index) {
    remove_later(instance(connector, index) / "jobs");
    std::error_code error;
    std::error_code stop;
    for (fs::directory_iterator each(instance(connector, index), error), end; !error && each != end;
         each.increment(stop)) {
        if (stop) return;
        if (each->path().filename().string().rfind(".removed-", 0) == 0) remove_later(each->path());
    }
}

void WorkDirs::remove_later(const fs::path& folder) {
    std::error_code error;
    if (!fs::exists(folder, error)) return;
    // Out of the way first: the same job may come again before the removal is done.
    const fs::path instance = folder.filename() == "jobs" || folder.parent_path().filename() != "jobs"
                                  ? folder.parent_path()
                                  : folder.parent_path().parent_path();
    const fs::path doomed =
        instance / (".removed-" + std::to_string(::getpid()) + "-" + std::to_string(++removed_));
    fs::rename(folder, doomed, error);
    if (error) return;
    boost::asio::post(remover_, [doomed] {
        std::error_code ignored;
        fs::remove_all(doomed, ignored);
    });
}

}  // namespace emprops::process
