#pragma once
// The scratch folders: STATE_DIR/work/<connector>-<index>/ for an instance, jobs/<hash of the job id>/ in it
// for a job (job ids are client text such as "../x"). Removal happens on a thread of its own, since a
// connector may have written gigabytes. Owned by the fleet; event loop thread only.

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ipc/result.h"
#include "ipc/unique_fd.h"
#include "supervisor/base/file_identity.h"
#include "supervisor/process/os/user_ids.h"

namespace emprops::process {

class WorkDirs {
  public:
    explicit WorkDirs(const std::filesystem::path& state_dir)
        : root_(std::filesystem::absolute(state_dir / "work")) {}
    /// Waits for removals that are under way.
    ~WorkDirs();

    std::filesystem::path instance(const std::string& connector, int index) const;
    std::filesystem::path job(const std::string& connector, int index, const std::string& job_id) const;

    /// Creates the instance's folder, owned by `user` if there is one. Links are never followed.
    Result<std::filesystem::path> make_instance(const std::string& connector, int index,
                                                const std::optional<UserIds>& user);
    /// The same for a companion service that runs as another user: <connector>-<index>-service.
    Result<std::filesystem::path> make_service(const std::string& connector, int index,
                                               const std::optional<UserIds>& user);
    /// The same for a job. An existing folder is kept: a resumed job finds what its first process wrote.
    Result<std::filesystem::path> make_job(const std::string& connector, int index, const std::string& job_id,
                                           const std::optional<UserIds>& user);
    /// The job goes on at another index: its folder moves along.
    void move_job(const std::string& connector, int from, int to, const std::string& job_id);
    // ---- a job's folder that becomes somebody else's, by its place: "comfyui-0/jobs/<hash>"
    static std::string place(const std::string& connector, int index, const std::string& job_id);
    const std::filesystem::path& root() const { return root_; }
    /// From here on nothing removes it, until take() or release().
    void hold(const std::string& place) { held_.insert(place); }
    void release(const std::string& place) { held_.erase(place); }
    /// It becomes `target`, by one rename. Errors: "other_disk" (that is another file system; nothing has happened),
    /// "lost" (it is not there), "work_dir" (may pass).
    Result<> take(const std::string& place, const std::filesystem::path& target);
    /// On the disk of the scratch folders, where no connector has its own: for what is taken and belongs elsewhere.
    static std::filesystem::path taken_in(const std::filesystem::path& state_dir) {
        return std::filesystem::absolute(state_dir / "work" / "taken");
    }

    /// The instance's folder is not there (any more).
    bool missing(const std::string& connector, int index) const;
    /// Makes what an instance needs before it gets jobs; the error says why there can be none.
    Result<> make_jobs(const std::string& connector, int index, const std::optional<UserIds>& user);
    /// Unless it is held. Removals fail in the log only, once.
    void remove_job(const std::string& connector, int index, const std::string& job_id);
    /// What jobs of an earlier worker left behind, but for what is held.
    void remove_leftovers(const std::string& connector, int index);

  private:
    /// The folder `jobs` of an instance stays open; which one that is, is looked at each time.
    struct JobsFolder {
        UniqueFd fd;
        std::optional<FileIdentity> identity;
    };
    int open_jobs(const std::string& instance);
    void take_away(const std::string& instance, std::vector<std::string> parts, const std::string& name);
    void remove_later(const std::string& instance, const std::string& doomed);
    void removal_failed(const std::filesystem::path& folder, const std::string& why);

    std::filesystem::path root_;
    std::map<std::string, JobsFolder> jobs_;  ///< by name of the instance
    std::set<std::string> held_;              ///< places
    std::uint64_t removed_ = 0;
    std::atomic<bool> complained_ = false;
    boost::asio::thread_pool remover_{1};
};

}  // namespace emprops::process
