#pragma once
// The whole conversation with Redis as a pure machine: what the worker wants and what Redis says in, commands and facts
// out. It opens each connection (password, database, scripts), then gives every machine below what concerns it. Event
// loop thread only; time is a parameter.
//
//   held_jobs   what is ours, and how it ends          claimer     what is taken next
//   presence    what others see of us                  reconciler  what an answer that was lost has left behind
//   reaper      what workers that are gone have left behind

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "supervisor/redis/claimer.h"
#include "supervisor/redis/held_jobs.h"
#include "supervisor/redis/presence.h"
#include "supervisor/redis/reaper.h"
#include "supervisor/redis/reconciler.h"
#include "supervisor/redis/server.h"
#include "supervisor/redis/slots.h"

namespace emprops::redis {

struct SessionSettings {
    std::string id_base;
    std::string machine;
    std::string version;
    std::string user, password;
    unsigned database = 0;
    std::uint64_t first_number = 1;
    /// Of this worker over its restarts, and of no other one: two with one id would run each other's jobs.
    std::string identity;
    HeldPolicy held;
    ClaimPolicy claim;
    PresencePolicy presence;
    ReaperPolicy reaper;
};

/// Where commands leave. Answers come in a later call; `lost` when the connection ends.
class Wire {
  public:
    virtual ~Wire() = default;
    virtual void send(Command command, Server::Then then) = 0;
    virtual void drop(const std::string& why) = 0;
};

class Session final : private Server {
  public:
    Session(SessionSettings settings, Wire& wire, std::function<std::int64_t()> wall_ms,
            std::function<double()> random);

    // ---- the connection
    void connected(TimePoint now);
    void disconnected(TimePoint now);
    void message(TimePoint now, const std::string& channel, const std::string& text);

    // ---- the worker (jobs/job_link.h)
    void adopt(jobs::LedgerEntry entry) { reconciler_.adopt(std::move(entry)); }
    void stop(TimePoint now);
    void ran_again(TimePoint now);
    void place(TimePoint now, const std::string& job_id, jobs::Place place);
    void begun(const std::string& job_id, std::uint64_t number) { held_.begun(job_id, number); }
    void report_progress(TimePoint now, const std::string& job_id, std::uint64_t number,
                         const ipc::Progress& progress);
    void deliver(TimePoint now, jobs::Outcome outcome) { held_.deliver(now, std::move(outcome)); }
    void undelivered(const std::string& job_id, std::uint64_t number) { held_.undelivered(job_id, number); }
    void cancel(const std::string& job_id, const std::string& reason);
    void set_password(std::string password) { settings_.password = std::move(password); }
    void set_capabilities(ipc::Json capabilities);
    void advance(TimePoint now, const jobs::Room& room);

    std::optional<TimePoint> next_wakeup() const;
    void on_time(TimePoint now);
    std::vector<jobs::LinkEvent> take_events();

    bool is_open() const { return open_; }
    bool auth_refused() const { return auth_refused_; }
    bool nothing_left() const { return held_.size() == 0 && !claimer_.is_taking() && !reconciler_.waits(); }
    jobs::LinkMetrics metrics() const;
    void show(jobs::LinkView& view) const;

  private:
    void ask(Command command, Then then) override;
    void call(const Script& script, std::vector<std::string> keys, std::vector<std::string> arguments,
              Then then) override;
    void tell(Command command) override;
    void event(jobs::LinkEvent event) override;
    void note(Note::Level level, const std::string& text, const std::string& job_id) override;
    void trouble(const std::string& what, const Reply& reply) override;
    std::int64_t wall_ms() const override { return wall_ms_(); }
    double random() override { return random_(); }

    Teller teller_for(const std::string& worker) const {
        return {worker, settings_.machine, settings_.version};
    }
    /// By which our claims are known from those of others.
    std::string mark() const { return "emprops-worker/" + settings_.version; }
    void log_in();
    void load_scripts();
    void take_the_id();
    void keep_the_id();
    void open();
    bool refused(const Reply& reply);
    void found(JobRecord record, Claim claim);
    void confirmed(const jobs::LedgerEntry& entry, JobRecord record, const Claim& claim);
    void gone(const jobs::LedgerEntry& entry, JobRecord record, const std::string& why);
    void take_back(const std::string& job_id);
    void taken_back(const std::string& job_id, const Claim& claim);
    void send_cancels();
    void leave_if_refused();
    void assign(JobRecord record, Claim claim);
    void tell_capabilities();

    SessionSettings settings_;
    Wire& wire_;
    const std::function<std::int64_t()> wall_ms_;
    const std::function<double()> random_;
    Slots slots_;
    HeldJobs held_;
    Claimer claimer_;
    Presence presence_;
    Reconciler reconciler_;
    Reaper reaper_;
    std::map<std::string, std::string> scripts_;                   ///< what SCRIPT LOAD answered, by name
    std::map<std::string, std::pair<JobRecord, Claim>> unplaced_;  ///< found, and a place for it is wanted
    ipc::Json said_ = ipc::Json::object();                         ///< capabilities, as the worker said them
    std::vector<std::string> job_types_;
    std::vector<jobs::LinkEvent> events_;
    std::string told_trouble_;
    std::uint64_t next_number_;
    std::uint64_t connections_ = 0, assignments_ = 0;
    bool open_ = false, auth_refused_ = false, left_ = false;
    bool turned_away_ = false;                    ///< on this connection
    std::map<std::string, std::string> cancels_;  ///< of the operator, not answered yet: reasons
    std::set<std::string> unconfirmed_;           ///< of an earlier process, waiting to be taken back
    TimePoint now_, hold_at_;
};

}  // namespace emprops::redis
