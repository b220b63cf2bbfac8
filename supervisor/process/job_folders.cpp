#include "supervisor/process/job_folders.h"

#include <utility>

namespace emprops::process {

namespace {

/// A full disk is said once in this time.
constexpr Ms complaint_interval{30'000};

}  // namespace

JobFolders::JobFolders(WorkDirs& work_dirs, std::string connector, int index, Holds holds)
    : work_dirs_(work_dirs), connector_(std::move(connector)), index_(index), holds_(std::move(holds)) {
    work_dirs_.remove_leftovers(connector_, index_);
}

Result<std::string> JobFolders::make(const std::string& job_id, const std::optional<UserIds>& user,
                                     const LogFields& fields, TimePoint now) {
    const auto folder = work_dirs_.make_job(connector_, index_, job_id, user);
    problem_ = folder ? "" : folder.error().message;
    if (folder) return folder->string();
    if (!next_complaint_ || now >= *next_complaint_) {
        next_complaint_ = now + complaint_interval;
        const LogContext context(fields);
        logger("process")->error("{}", folder.error().message);
    }
    return folder.error();
}

void JobFolders::look(const std::optional<UserIds>& user, const std::vector<std::string>& jobs,
                      const LogFields& fields) {
    const bool missing = work_dirs_.missing(connector_, index_);
    Result<> made = work_dirs_.make_jobs(connector_, index_, user);
    for (const std::string& job_id : jobs) {
        if (!made) break;
        if (const auto folder = work_dirs_.make_job(connector_, index_, job_id, user); !folder)
            made = folder.error();
    }
    const std::string before = std::exchange(problem_, made ? "" : made.error().message);
    const LogContext context(fields);
    if (missing && made)
        logger("process")->warn(
            "the scratch folder {} was removed (by a cleaner of old files?) and is made again; "
            "what lay there is gone",
            work_dirs_.instance(connector_, index_).string());
    else if (!made && before.empty())
        logger("process")->error("{}; no jobs are given until that is mended", problem_);
    else if (made && !before.empty())
        logger("process")->info("scratch folders can be made again: {}",
                                work_dirs_.instance(connector_, index_).string());
}

void JobFolders::remove(const std::string& job_id) {
    if (!holds_(job_id)) work_dirs_.remove_job(connector_, index_, job_id);
}

void JobFolders::tick(TimePoint now) {
    for (const Orphan& each : orphans_) {
        if (now >= each.until) remove(each.job_id);
    }
    std::erase_if(orphans_, [&](const Orphan& each) { return now >= each.until; });
}

std::optional<TimePoint> JobFolders::next_wakeup() const {
    Earliest first;
    for (const Orphan& each : orphans_)
        first.add(each.until);
    return first.at();
}

}  // namespace emprops::process
