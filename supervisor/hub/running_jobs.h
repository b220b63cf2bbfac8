#pragma once
// The jobs that run here, as the Hub knows them: under which of our ids, whether they are known to be ours on
// this connection, and their signs of life: the newest progress of each, at a rate that monitors can read,
// and keep-alives while a connector says nothing. Pure; owned by the session.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ipc/messages.h"
#include "supervisor/base/time.h"
#include "supervisor/hub/session_settings.h"
#include "supervisor/hub/wire.h"

namespace emprops::hub {

struct RunningJob {
    std::string job_type;
    std::uint64_t number = 0;
    std::set<std::string> claimed_as;  ///< every id of ours that the Hub may know as its worker
    TimePoint assigned_at;
    TimePoint last_progress;  ///< last message to the Hub that keeps the job ours
    bool fenced = true;       ///< false: not known to be ours on this connection
    bool recovered = false;   ///< of an earlier process and not confirmed yet
    bool resumable = true;
    bool waits = false;  ///< it has not begun, and the Hub is told so
    TimePoint unfenced_since;
    std::optional<ipc::Progress> held_progress;  ///< the newest that was not sent yet
    std::optional<TimePoint> held_since;         ///< because an outcome is coming, which may be this job's
    double progress_tokens = 20;
    TimePoint tokens_at;
};

class RunningJobs {
  public:
    /// Both must outlive the jobs.
    RunningJobs(const SessionSettings& settings, Wire& wire) : settings_(settings), wire_(wire) {}

    /// A job that ran when an earlier process of ours ended: not known to be ours until confirm().
    void adopt(TimePoint now, const std::string& job_id, RunningJob job);
    /// The Hub has given it to us: it is told that the job has begun, or that it waits for its slot.
    void begin(TimePoint now, const std::string& job_id, const std::string& job_type, std::uint64_t number,
               bool waits = false);
    /// It waits no more.
    void begun(const std::string& job_id, std::uint64_t number);
    /// The job is over here, in whichever way. Nothing when it does not run under this number.
    std::optional<RunningJob> end(const std::string& job_id, std::uint64_t number);
    /// The Hub has given it away, or it was cancelled: why its outcome is unwanted is remembered.
    std::optional<RunningJob> take_away(const std::string& job_id, const std::string& reason);
    /// Once: why the outcome of this assignment is unwanted.
    std::optional<std::string> taken(std::uint64_t number);

    const RunningJob* find(const std::string& job_id) const;
    const std::map<std::string, RunningJob>& all() const { return jobs_; }
    bool empty() const { return jobs_.empty(); }
    std::size_t size() const { return jobs_.size(); }
    /// Some are not known to be ours.
    bool unfenced() const;

    /// The Hub may know it under our present id as well: told (Readopted) if that is new. The ids before.
    std::vector<std::string> add_claim(const std::string& job_id);
    /// The Hub says that it is ours.
    void confirm(TimePoint now, const std::string& job_id);
    /// Said by keep_alive(), or by say_held() before a failure; beside a result it would say nothing new.
    void report(const std::string& job_id, std::uint64_t number, const ipc::Progress& progress);
    void say_held(TimePoint now, const std::string& job_id);
    /// `ending`: an outcome is on its way here. Progress waits for it, but not for long.
    void keep_alive(TimePoint now, bool ending = false);
    /// One is due for every job now.
    void owe_signs();

    void on_welcomed(TimePoint now);
    void on_disconnected(TimePoint now);
    /// Takes those for ours that could not be fenced for this long. True: there were any.
    bool release_unfenced(TimePoint now, Ms older_than);

    std::optional<TimePoint> next_wakeup() const;

  private:
    void send_held_progress(TimePoint now, RunningJob& job);
    void send_keepalive(TimePoint now, const std::string& job_id, RunningJob& job);

    const SessionSettings& settings_;
    Wire& wire_;
    std::map<std::string, RunningJob> jobs_;
    std::map<std::uint64_t, std::string> taken_;  ///< by number; bounded
};

}  // namespace emprops::hub
