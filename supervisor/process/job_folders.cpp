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
    if (folder) return folder->string();
    if (!next_complaint_ || now >= *next_complaint_) {
        next_complaint_ = now + complaint_interval;
        const LogContext context(fields);
        logger("process")->error("{}", folder.error().message);
    }
    return folder.error();
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
