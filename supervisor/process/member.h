#pragma once
// One process of an instance, from its start to its end: started or waited for (attach), greeted, told what its
// Life wants of it; and what it offers, as the fleet's listener hears of it. What it says goes to its
// ConnectorProcess, and from there to the Instance. Owned by the Instance; event loop thread only.

#include <memory>
#include <optional>
#include <string>

#include "config/settings.h"
#include "ipc/figures.h"
#include "supervisor/process/companion.h"
#include "supervisor/process/connector_process.h"
#include "supervisor/process/job_folders.h"
#include "supervisor/process/life/actions.h"
#include "supervisor/process/offer.h"
#include "supervisor/process/os/user_ids.h"
#include "supervisor/process/pipes/attach_listener.h"
#include "supervisor/process/surroundings.h"

namespace emprops::process {

class Member {
  public:
    /// `companion` and `folders`: by which its offer is limited; they outlive this.
    Member(Surroundings& around, const Companion& companion, const JobFolders& folders,
           ConnectorProcess::Owner& owner, InstanceId id, const config::ConnectorSettings& settings,
           ConnectorCounters& counters, LastSaid& last_said);

    /// Starts the process, or listens for somebody to connect.
    Result<> start();
    ConnectorProcess& process() { return process_; }
    const ConnectorProcess& process() const { return process_; }
    /// The user whose rights the process has; empty: the worker's own.
    const std::optional<UserIds>& user() const { return user_; }
    bool attached() const { return settings_.attach; }

    // ---- what its life wants
    /// `run`: of this process; why it is told to leave, its author may want to know.
    void shut_down(Ms grace, const Run& run);
    void signal(int signal);
    /// Ends the conversation with an attached process, or the wait for it.
    void detach();
    void kill();
    void log_death(const DeathReport& report);

    // ---- what it offers
    /// A sentence, if what its `ready` says cannot be taken.
    std::optional<std::string> take(ipc::Ready ready);
    void take(const ipc::Status& status);
    void take(const ipc::Capabilities& change);
    void take(const ipc::Metrics& metrics);
    const ipc::Figures& figures() const { return figures_; }
    /// The dispatcher may use it, and hears that.
    void announce();
    /// It gets no more jobs, and the dispatcher hears that.
    void withdraw();
    /// A cleaner may have removed the socket at which it waits: then that is made again.
    void look();
    /// What it offers as far as it runs, its companion service can be used, and there are folders for jobs.
    InstanceInfo offered() const;
    /// What has changed and nobody was told yet, whether or not that is due.
    void tell_change(TimePoint now);
    /// Tells the state of the connector's outside service as the connector sees it and, where the worker runs that
    /// service, as the worker does. Nothing happens unless the member is announced.
    void tell_status() const;
    /// Likewise.
    void tell_offer() const;
    void tick(TimePoint now);
    std::optional<TimePoint> next_wakeup() const;

  private:
    Result<> launch();
    Result<> listen();
    void greet();
    void change_noted(bool waits_already);
    void log_availability() const;
    /// Why it can be given no job, whatever it says; empty: it can.
    std::string problem() const;

    Surroundings& around_;
    const Companion& companion_;
    const JobFolders& folders_;
    config::ConnectorSettings settings_;  // as they were when it began
    std::string name_;                    // of the instance, for people
    ConnectorProcess process_;
    Offer offer_;
    ipc::Figures figures_;
    std::unique_ptr<AttachListener> listener_;
    std::optional<UserIds> user_;
    bool announced_ = false;
    Lifetime lifetime_;
};

}  // namespace emprops::process
