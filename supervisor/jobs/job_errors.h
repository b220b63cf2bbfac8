#pragma once
// The errors with which the worker itself ends jobs: a code of the protocol and a sentence that says what
// happened, to which connector, why, and whether it was the job's fault. Pure functions.

#include <string>

#include "ipc/messages.h"
#include "supervisor/base/time.h"
#include "supervisor/jobs/job_history.h"
#include "supervisor/process/types.h"

namespace emprops::jobs {

/// True when the supervisor or the operator ended the process for reasons that are not the job's: such an end
/// does not count towards poison.
bool not_the_jobs_fault(const process::DeathReport& report);
/// Likewise of a companion service, which is also ended by hand, and stopped for its health.
bool service_end_is_no_jobs_fault(const process::DeathReport& report);
/// "the service of comfyui/1"
std::string service_name(const std::string& connector, int index);

/// The process that ran the job ended: code crashed, hung, timeout or drained, with the evidence.
ipc::JobError died_error(const process::InstanceId& id, const process::DeathReport& report);
/// `error` of a resumable job whose next process did not come.
ipc::JobError not_resumed_error(ipc::JobError error, const std::string& connector, Ms window);
ipc::JobError poison_error(const JobHistory::Poison& poison);
/// The companion service ended while it was at work on one of several jobs, this one among them.
ipc::JobError unclear_error(const std::string& service, std::size_t jobs, const process::DeathReport& report);
/// Different jobs ended it one after the other: `text` says which.
ipc::JobError sick_machine_error(const std::string& service, const std::string& text,
                                 const process::DeathReport& report);
/// The service will not be back for long; `reason` is what its instance says of it.
ipc::JobError service_away_error(const process::InstanceId& id, const std::string& reason);
ipc::JobError timeout_error(const process::InstanceId& id, Ms limit);
/// `silent`: it has said nothing at all of the job.
ipc::JobError hung_error(const process::InstanceId& id, Ms limit, bool silent);
ipc::JobError drained_error(const std::string& what);
/// No instance took the job in time. `why`: what is known, may be empty.
ipc::JobError unavailable_error(const std::string& job_type, Ms waited, const std::string& why);
/// Every connector that was asked refused the job.
ipc::JobError not_started_error(int times, Ms waited, const std::string& last_message);
/// It has not begun, and somebody else begins it at once.
ipc::JobError another_begins_error();
/// An earlier worker process was to begin it.
ipc::JobError never_begun_error();
/// A job that an earlier worker process held.
ipc::JobError lost_error(const std::string& connector, Ms window);
/// Likewise, and its connector cannot resume jobs.
ipc::JobError not_resumable_error(const std::string& connector);

}  // namespace emprops::jobs
