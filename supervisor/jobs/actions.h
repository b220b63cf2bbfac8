#pragma once
// What the dispatcher asks the shells around it to do. Plain values; the order in the list matters and is
// kept by whoever performs them. `number` is Assignment::number everywhere.

#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "ipc/messages.h"
#include "supervisor/base/note.h"
#include "supervisor/jobs/types.h"
#include "supervisor/process/types.h"

namespace emprops::jobs {

/// To the ledger: write this assignment down, then call Dispatcher::recorded(number), also when the disk
/// refused. Comes for each new assignment, and again when the job moves to another connector; GiveJob follows
/// the answer. The payload is left out ("{}") unless note.with_payload (the connector can resume).
struct RecordJob {
    Assignment assignment;
    AssignmentNote note;
};

/// To the fleet: send `job` (its work_dir is the fleet's to fill in); when it does not take the job, call
/// Dispatcher::not_given. Otherwise each GiveJob is followed by exactly one JobEnded for the same instance
/// and job_id, and until then the instance is given no job of this id again.
struct GiveJob {
    process::InstanceId instance;
    ipc::Job job;
    bool brings_files = false;  ///< the instance declared `files`
};

/// To the fleet: send `begin`; the job was given with `prepare`. When that cannot be done, call
/// Dispatcher::not_begun.
struct BeginJob {
    process::InstanceId instance;
    std::string job_id;
};

/// To the Hub side: a job that was claimed ahead has begun.
struct TellBegun {
    std::string job_id;
    std::uint64_t number = 0;
};

/// To the fleet: send `cancel`. Only for instances that declared the feature, or where a protocol error left
/// open whether the job still runs, or that prepare the job (a connector ignores a cancel for a job it does not hold).
struct CancelJob {
    process::InstanceId instance;
    std::string job_id;
    std::string reason;
};

/// To the fleet: the assignment has ended, or the job was prepared and is taken back; its slot is free, but the
/// instance may still be at the job (it broke the protocol, or has not answered its cancel). It counts as running
/// nothing for it; its folder stays, and its answer passes, until JobEnded.
struct JobUnanswered {
    process::InstanceId instance;
    std::string job_id;
};

/// To the fleet: the instance does not hold this job any more, its work_dir may go.
struct JobEnded {
    process::InstanceId instance;
    std::string job_id;
};

/// To the fleet: a planned replacement, which is no death and waits for what runs. The instance may hold a
/// job that nobody else here can take.
struct ReplaceInstance {
    process::InstanceId instance;
    std::string text;  ///< for a person
};

/// To the fleet: run the stop ladder. The dispatcher gives this instance nothing more.
struct StopInstance {
    process::InstanceId instance;
    process::StopReason reason = process::StopReason::hung;
    std::string text;  ///< for a person: which job, which limit
};

/// To the fleet: what the end of a companion service is taken for (Fleet::service_judged).
struct JudgeService {
    std::string connector;
    int index = 0;
    int pid = 0;
    process::ServiceVerdict verdict = process::ServiceVerdict::job;
    std::string text;
};

/// To supervisor/files: the connector is done with this job, and has said which files belong to its result. Note that
/// in the ledger, take its folder, then call Dispatcher::collected or not_collected; until then its slot stays taken.
struct CollectFiles {
    process::InstanceId instance;
    std::string job_id;
    std::string job_type;
    std::uint64_t number = 0;
    PayloadMark payload;
    Collected what;
};

/// To supervisor/files: the Hub assigned a job once more whose files are on their way.
struct RenumberDelivery {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
};

/// To supervisor/files: the job is ours, and its files are there: an earlier worker process left the delivery, or the job
/// has come back.
struct ResumeDelivery {
    std::uint64_t number = 0;
    std::string job_id;
};

/// To the Hub side: progress of a job that is still ours.
struct ReportProgress {
    std::string job_id;
    std::uint64_t number = 0;
    ipc::Progress progress;
};

/// To the Hub side: what was sent to the outside service, for Hub monitors.
struct ForwardServiceRequest {
    std::string job_id;
    std::uint64_t number = 0;
    process::InstanceId instance;
    ipc::ServiceRequest request;
};

/// To the ledger (record_outcome), then to the Hub side: the assignment ended. Each assignment ends with
/// exactly one Finished or one Undelivered.
struct Finished {
    Outcome outcome;
};

enum class UndeliveredCode {
    cancelled,   ///< cancelled at the Hub or by an operator
    withdrawn,   ///< the Hub shows it as somebody else's, or as ended
    superseded,  ///< the Hub assigned the same job to us once more; the new assignment goes on with the work
};
const char* to_string(UndeliveredCode code);

/// To the ledger (remove) and the log: the assignment ended and nothing is or will be reported for it.
struct Undelivered {
    std::string job_id;
    std::uint64_t number = 0;
    UndeliveredCode code = UndeliveredCode::cancelled;
    std::string reason;  ///< for a person
};

/// To the Hub side: what the worker can take has changed (never sent twice with the same value).
struct CapacityChanged {
    std::shared_ptr<const Capacity> capacity;
};

using Action =
    std::variant<RecordJob, GiveJob, BeginJob, TellBegun, CancelJob, JobUnanswered, JobEnded, ReplaceInstance,
                 StopInstance, JudgeService, CollectFiles, RenumberDelivery, ResumeDelivery, ReportProgress,
                 ForwardServiceRequest, Finished, Undelivered, CapacityChanged, Note>;

}  // namespace emprops::jobs
