#pragma once
// Misbehaviour on request: everything that a supervisor must survive. Some of it breaks the protocol on
// purpose, through the SDK's back door for tests (raw_line.h).

#include <atomic>
#include <optional>
#include <string>

#include "connectors/simulation/settings.h"
#include "emprops/connector.h"

namespace emprops::simulation {

/// Notes that a fault leaves for the rest of the job and for the end of the process.
struct FaultNotes {
    Json output = Json::object();  ///< members for result.output
    bool deaf = false;             ///< the job no longer looks at its cancel token
};

struct FaultTools {
    const Job& job;
    JobContext& job_context;
    ConnectorContext& connector_context;
    std::atomic<double>& shutdown_seconds;  ///< how long shutdown() takes from now on
};

/// Does what the plan's fault does in mid-job; nothing for those of a result. Throws JobFailure and others;
/// may not return at all.
FaultNotes break_in_mid_job(const Plan& plan, FaultTools tools);

/// Does what the plan's fault does when `result` (JSON text) is ready; nullopt: deliver `result` as it is.
std::optional<RawResult> break_result(const Plan& plan, const Job& job, const std::string& result);

/// A fault of initialize(): hang, exit, segv, throw, configuration, ready_twice, foreign_version, rubbish. An
/// unknown name throws ConfigurationError.
void break_start(const Settings& settings);

}  // namespace emprops::simulation
