#pragma once
// The processes of one instance, by generation, with the jobs that they hold and the folders of those jobs. Owned by
// the Instance; event loop thread only.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/process/job_folders.h"
#include "supervisor/process/life/processes.h"
#include "supervisor/process/member.h"

namespace emprops::process {

class Members {
  public:
    Members(Surroundings& around, const std::string& connector, int index);

    Member& add(std::unique_ptr<Member> member);
    /// It has ended, or never began.
    std::unique_ptr<Member> remove(std::uint64_t generation);
    /// Null: there is none such.
    Member* find(std::uint64_t generation) const;
    Member& at(std::uint64_t generation) const { return *members_.at(generation); }
    bool empty() const { return members_.empty(); }
    template <class Function>
    void for_each(Function function) const {
        for (const auto& [generation, member] : members_)
            function(*member);
    }
    template <class Condition>
    bool all_of(Condition condition) const {
        for (const auto& [generation, member] : members_) {
            if (!condition(generation)) return false;
        }
        return true;
    }

    // ---- jobs
    /// Makes the job's folder and gives the job. Errors as of Fleet::give_job.
    Result<> give(Member& member, ipc::Job& job, TimePoint now);
    /// Of a job whose files nobody takes.
    void forget_folder(const std::string& job_id);
    /// Whose files the jobs of this one are, or, if it has ended, those of the last that did; nothing: the worker's.
    std::optional<uid_t> user_of(std::uint64_t generation) const;
    /// The member no longer holds the job, whose folder is removed. False: it ran no such job.
    bool job_ended(Member& member, const std::string& job_id);
    /// A removed member has ended. The folders of its jobs are kept for `resume_window`, in which somebody may take
    /// the jobs up again; those of jobs that nobody waits for are not.
    void jobs_left(const Member& member, Ms resume_window, TimePoint now);
    bool holds(const std::string& job_id) const;
    const JobFolders& folders() const { return folders_; }
    /// A cleaner of old files may have been here: what it removed is made again.
    void look();
    /// What limits the offer of all has changed.
    void tell_offers() const;
    /// Those that somebody waits for.
    std::vector<std::string> jobs() const;
    int running() const;

    /// For a tick of their Life, with the memory of the process `measured`.
    Observations tick(std::optional<std::uint64_t> measured, TimePoint now);
    std::optional<TimePoint> next_wakeup() const;
    /// "comfyui (pid 4711)", for each process.
    std::string names() const;

  private:
    std::map<std::uint64_t, std::unique_ptr<Member>> members_;
    JobFolders folders_;
    std::optional<uid_t> last_user_;
    std::map<std::uint64_t, std::string>
        stopped_;  // those that a signal has stopped, as the listener was told
};

}  // namespace emprops::process
