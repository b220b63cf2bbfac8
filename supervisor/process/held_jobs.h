#pragma once
// The jobs that one connector process holds, and what it may still say about each: nothing after the job's end, one
// `accepted` after each request to its service, one error that the worker finds itself. Pure; owned by a
// ConnectorProcess.

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace emprops::process {

class HeldJobs {
  public:
    /// False: it holds a job of this id already. `prepared`: it does not run before begin().
    bool add(const std::string& job_id, const std::string& work_dir = {}, bool prepared = false);
    /// False: it was not prepared.
    bool begin(std::string_view job_id);
    void remove(std::string_view job_id);
    bool holds(std::string_view job_id) const { return jobs_.find(job_id) != jobs_.end(); }
    /// Nobody waits for the job any more; its one answer may still come. False: it runs no such job.
    bool unanswered(std::string_view job_id);
    /// Held and begun, and somebody waits for it.
    bool runs(std::string_view job_id) const;
    int running() const;
    /// Those that run, or the others.
    std::vector<std::string> ids(bool others = false) const;

    /// Whether a message about the job means anything. `ends`: it is the last one about it.
    bool said(std::string_view job_id, bool ends);
    // ---- about jobs that it holds
    /// The job goes to its service. True: for the first time.
    bool requested(std::string_view job_id);
    /// A request was passed on: the next `accepted` says that the service has begun the job.
    void awaits_service(std::string_view job_id);
    /// True: for the first time since the last request.
    bool accepted(std::string_view job_id);
    /// It reported this much, in percent.
    void progressed(std::string_view job_id, int percent, bool fraction);
    /// What it reported lay between 0 and 1 and never above: it means a fraction and not percent.
    bool counts_in_fractions(std::string_view job_id) const;
    /// Its result named files: its folder is not this process's business any more.
    void has_files(std::string_view job_id);
    bool keeps_folder(std::string_view job_id) const;
    /// Its scratch folder; empty: it has none.
    std::string work_dir(std::string_view job_id) const;
    /// The worker tells of an error on its own. True: neither the process nor the worker has told an end before.
    bool failed_here(std::string_view job_id);

  private:
    struct Job {
        bool accepted = false;
        bool requested = false;
        bool ended = false;        // it has said result or failed
        bool failed_here = false;  // see failed_here()
        bool prepared = false;
        bool unanswered = false;
        bool fractions = false;
        bool files = false;
        int most_percent = 0;
        std::string work_dir;
        bool runs() const { return !prepared && !unanswered; }
    };
    Job* find(std::string_view job_id);

    std::map<std::string, Job, std::less<>> jobs_;
};

}  // namespace emprops::process
