#pragma once
// The companion service of one instance (ComfyUI itself, say): carries out what its Life decides. Starts the
// process, asks its health page, looks who owns its port, keeps and logs its output.
//
// Owned by its Companion; event loop thread only. The owner is called from inside calls into this class and must
// not destroy it there. What cannot be started or does not answer is a state with a reason, never an error
// for the caller.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "supervisor/base/http_probe.h"
#include "supervisor/process/child.h"
#include "supervisor/process/life/life.h"
#include "supervisor/process/said.h"
#include "supervisor/process/shown_state.h"
#include "supervisor/process/surroundings.h"

namespace emprops::process {

class Service {
  public:
    class Owner {
      public:
        virtual ~Owner() = default;
        /// The state, usable() or why() has changed.
        virtual void on_service_changed() = 0;
        /// The service ended, and nobody had planned that. `report.jobs_held` are the jobs that ran then.
        virtual void on_service_died(const DeathReport& report) = 0;
        /// The jobs that the instance holds.
        virtual std::vector<std::string> jobs_held() const = 0;
        virtual int jobs_running() const = 0;
    };

    Service(Surroundings& around, Owner& owner, const config::ConnectorSettings& settings, int index);
    /// Kills what still runs.
    ~Service() { kill(); }
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    // See Life.
    void start();
    void restart(const std::string& text);
    void restart_asked(const std::string& reason);
    void stop(const std::string& text);
    void shutdown();
    void kill();
    /// New settings: restarts it, when the running jobs have ended, unless it is stopped.
    void configure(const config::ConnectorSettings& settings);
    /// What the dispatcher takes the end of the process `pid` for.
    void judged(int pid, ServiceVerdict verdict, const std::string& text);
    void job_given();
    void job_done();
    /// Jobs of the instance have begun or ended.
    void jobs_changed();

    const Life& life() const { return life_; }
    bool gone() const { return life_.gone() && !child_; }
    /// What is left of it outlives SIGKILL, for so long that waiting is useless.
    bool hopeless(TimePoint now) const;
    std::uint64_t starts() const { return counters_.starts; }
    /// See LastSaid::why.
    std::string last_said(TimePoint now, const std::string& already) const {
        return last_said_.why(now, already, "its service");
    }
    int pid() const { return child_ ? child_->pid() : 0; }
    ServiceStatus status() const;
    std::optional<TimePoint> next_wakeup() const;
    void tick(TimePoint now);

  private:
    void carry_out(Actions actions);
    void check_port();
    void spawn();
    Result<> launch();
    void ask_page(std::uint64_t generation);
    void tell_where(const HttpAnswer& answer);
    PageAnswer judge(const Result<HttpAnswer>& answer) const;
    void on_exit();
    void on_end();
    LifeOptions life_options() const;

    Surroundings& around_;
    Owner& owner_;
    config::ConnectorSettings settings_;
    int index_;
    std::string instance_;  // for people
    std::string name_;      // likewise, of the service
    Life life_;
    ShownState state_;
    ServiceCounters counters_;
    LastSaid last_said_;
    std::unique_ptr<HttpProbe> probe_;  // a thread: made for the first question
    // The process with what it was started with: settings may change while it runs.
    std::unique_ptr<Child> child_;
    std::unique_ptr<Said> said_;
    std::uint16_t port_ = 0;
    std::string health_url_;
    std::string elsewhere_;  // where it answers in place of that, as was told
    std::vector<std::string> jobs_at_exit_;
    Lifetime lifetime_;
};

}  // namespace emprops::process
