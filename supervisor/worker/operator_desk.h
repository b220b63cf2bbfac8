#pragma once
// What an operator asks of the running worker through the control API: begins it, and says so in a sentence.
// Owned by the worker; event loop thread only; nothing blocks.

#include "config/load.h"
#include "supervisor/base/lifetime.h"
#include "supervisor/control/operations.h"
#include "supervisor/worker/job_flow.h"
#include "supervisor/worker/leaving.h"
#include "supervisor/worker/log_tails.h"
#include "supervisor/worker/roster.h"

namespace emprops {

/// The worker's parts that an operator's questions concern. All outlive the desk.
struct OperatedParts {
    config::Settings& settings;  ///< in force; a reload changes it
    const config::LoadRequest& request;
    const Leaving& leaving;
    const Roster& roster;
    LogTails& tails;
    const jobs::Ledger& ledger;
    JobFlow& flow;
    process::Fleet& fleet;
    jobs::JobLink& link;
};

class OperatorDesk final : public control::Operations {
  public:
    explicit OperatorDesk(OperatedParts parts) : parts_(parts), started_at_(Clock::now()) {}

    ipc::Json status() const override;
    ipc::Json jobs() const override;
    Result<std::string> why(const std::string& connector) const override;
    Result<std::string> restart(const std::string& connector) override;
    Result<std::string> restart_service(const std::string& connector) override;
    Result<std::string> start(const std::string& connector) override;
    Result<std::string> stop(const std::string& connector) override;
    Result<std::string> drain(const std::string& connector, const std::string& mode) override;
    Result<std::string> resume(const std::string& connector) override;
    Result<std::string> reload() override;
    Result<std::string> cancel(const std::string& job_id, const std::string& reason) override;
    Result<std::string> deliver_again(const std::string& name) override;
    Result<std::vector<std::string>> log_tail(const std::string& connector) const override;
    Result<control::Subscription> follow_log(const std::string& connector, control::OnLine on_line) override;
    Result<control::Subscription> follow_trace(const std::string& connector,
                                               control::OnLine on_line) override;

  private:
    bool leaves() const { return parts_.leaving.phase() != Leaving::Phase::running; }
    std::string takes_no_jobs_because(const process::InstanceStatus& instance) const;
    /// One of the fleet's operations on a connector; `sentence` if it was begun.
    Result<std::string> begin(const char* what, const std::string& connector,
                              Result<> (process::Fleet::*operation)(const std::string&),
                              const char* sentence);
    Result<control::Subscription> follow(const std::string& connector, process::Fleet::Lines lines,
                                         control::OnLine on_line);

    OperatedParts parts_;
    TimePoint started_at_;
    Lifetime lifetime_;
};

}  // namespace emprops
