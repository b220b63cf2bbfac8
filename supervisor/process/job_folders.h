#pragma once
// The scratch folders of the jobs of one instance: made when a job is given, removed when it has ended, kept for
// a while when its process died, because a job that is resumed finds there what its first process wrote. Owned
// by the Members of the instance; event loop thread only.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/base/log.h"
#include "supervisor/base/time.h"
#include "supervisor/process/work_dirs.h"

namespace emprops::process {

class JobFolders {
  public:
    using Holds = std::function<bool(const std::string& job_id)>;
    /// `holds`: whether a process of the instance has the job, so that its folder must stay.
    JobFolders(WorkDirs& work_dirs, std::string connector, int index, Holds holds);

    /// An error is also logged, but not for each job.
    Result<std::string> make(const std::string& job_id, const std::optional<UserIds>& user,
                             const LogFields& fields, TimePoint now);
    /// Makes again what a cleaner of old files removed and takes away what stands in its place: the folders of the
    /// instance and of the `jobs` that it holds.
    void look(const std::optional<UserIds>& user, const std::vector<std::string>& jobs,
              const LogFields& fields);
    /// Why there are no folders for jobs, by the last attempt; empty: there are.
    const std::string& problem() const { return problem_; }
    /// Unless it is needed still.
    void remove(const std::string& job_id);
    /// Its process died: it is removed at this time, unless it is needed again.
    void remove_at(TimePoint at, const std::string& job_id) { orphans_.push_back({at, job_id}); }
    void tick(TimePoint now);
    std::optional<TimePoint> next_wakeup() const;

  private:
    struct Orphan {
        TimePoint until;
        std::string job_id;
    };

    WorkDirs& work_dirs_;
    std::string connector_;
    int index_;
    Holds holds_;
    std::vector<Orphan> orphans_;
    std::optional<TimePoint> next_complaint_;
    std::string problem_;
};

}  // namespace emprops::process
