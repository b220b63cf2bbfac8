#pragma once
// What a companion service means for its connector: the service starts and stops with the connector, limits what the
// connector offers while it does not work, and its death explains the failure of the jobs that were at it. An
// instance without a service has one of these too, which then changes nothing.
//
// Owned by the Instance; event loop thread only.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "ipc/messages.h"
#include "supervisor/process/service.h"
#include "supervisor/process/surroundings.h"

namespace emprops::process {

class Companion : public Service::Owner {
  public:
    class Owner {
      public:
        virtual ~Owner() = default;
        /// The jobs that the instance's processes hold.
        virtual std::vector<std::string> jobs_held() const = 0;
        virtual int jobs_running() const = 0;
        /// The service can be used now, or it cannot for another reason than before: what is offered has changed.
        virtual void on_companion_changed() = 0;
        /// The service still cannot be used, and the Hub should hear anew for how long.
        virtual void on_companion_still_away() = 0;
        /// The service can be used from now on; see may_start_connector().
        virtual void on_companion_answers() = 0;
    };
    /// The connector as far as its service follows it.
    struct Followed {
        bool wanted = false;
        bool gone = false;
        bool hopeless = false;  ///< what is left of it outlives SIGKILL
        bool leaving = false;   ///< the worker ends
    };

    Companion(Surroundings& around, Owner& owner, std::string connector, int index);
    /// New settings, or the first ones. `wanted`: the connector is to run.
    void configure(const config::ConnectorSettings& settings, bool wanted);

    void start();
    void restart(const std::string& text);
    /// The connector, whose log records have these fields, asks for a restart.
    void restart_asked(const std::string& reason, const LogFields& fields);
    void kill();
    void judged(int pid, ServiceVerdict verdict, const std::string& text);
    void job_given();
    void job_done();
    void job_ended(const std::string& job_id) { deaths_.erase(job_id); }
    /// The service outlives its connector: jobs end first, then the connector leaves, then the service stops.
    void follow(const Followed& connector);

    bool exists() const { return service_ != nullptr; }
    bool gone() const { return !service_ || service_->gone(); }
    bool hopeless(TimePoint now) const { return gone() || service_->hopeless(now); }
    /// Jobs may be given to the connector: the service works and stays configured, or there is none.
    bool serves() const { return !service_ || (service_->life().usable() && !removed_); }
    /// A connector that cannot live without its service may have died often while that was starting. The cause
    /// of those deaths is gone now, so that it may be started without waiting for its back-off or breaker: true
    /// once per start of the service, so that the connector's own faults do not restart it endlessly.
    bool may_start_connector();
    /// Why the service does not serve.
    std::string reason() const;
    /// What the service printed last, behind a sentence that says `already`; may be empty.
    std::string last_said(TimePoint now, const std::string& already) const {
        return service_ ? service_->last_said(now, already) : "";
    }
    /// Changes what the connector offers as far as the service can be used.
    void limit(InstanceInfo& offered) const;
    /// The same for what the connector says of its outside service.
    void limit(ipc::Status& status) const;
    /// Adds to the failure of a job under which the service died how it died: nobody else knows that.
    void explain(ipc::Failed& failed) const;
    void explain(DeathReport& report);
    std::optional<ServiceStatus> status() const;
    /// "the service of comfyui (pid 4711)"; empty: nothing runs.
    std::string process_name() const;

    std::optional<TimePoint> next_wakeup() const;
    void tick(TimePoint now);

  private:
    void on_service_changed() override;
    void on_service_died(const DeathReport& report) override;
    std::vector<std::string> jobs_held() const override { return owner_.jobs_held(); }
    int jobs_running() const override { return owner_.jobs_running(); }

    Surroundings& around_;
    Owner& owner_;
    std::string connector_;
    int index_;
    std::unique_ptr<Service> service_;
    bool removed_ = false;           // the settings name no service any more; the old one is leaving
    std::uint64_t started_for_ = 0;  // number of the service's start after which the connector was started
    bool serves_ = true;             // as the owner was told
    State state_ = State::stopped;   // likewise
    std::optional<TimePoint> next_news_;
    std::map<std::string, DeathReport> deaths_;  // by the job that ran then
};

}  // namespace emprops::process
