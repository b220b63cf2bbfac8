#pragma once
// What has to happen at once in Redis: taking one job, and everything that is written about a job that is ours. Each
// script checks first that it still is (worker, token, status) and writes nothing if not. Texts in Lua, their keys and
// arguments in that order; all keys are declared. Pure.
//
// Answers of those that check: "done", or why not: pending, claimed_by_other, completed, failed, cancelled, unknown.
// What was done before by the same claim is "done" once more: an answer that was lost may be asked for again.

#include <string>
#include <vector>

#include "supervisor/redis/wire/reply.h"

namespace emprops::redis {

struct Script {
    const char* name;
    std::string text;
};

/// Takes exactly this job, if it waits. Keys: jobs:pending, the job, jobs:active of the worker, the worker, the job's
/// stream. Arguments: job, worker, our mark, the time (ISO), the time (ms), the token under which it ran here until it
/// was put back (empty: it did not).
/// Answers: {"taken", token, the hash as it was}, or {"not_pending", status}, {"gone"} (no hash), {"away"} (somebody was
/// faster).
const Script& claim_script();
/// Keys: the job. Arguments: worker, token, the time (ISO).
const Script& start_script();
/// Keys: the job, its progress. Arguments: worker, token, percent, status, message, the time (ISO), the message of the
/// channel.
const Script& progress_script();
/// Keys: the job, jobs:active of the worker, jobs:completed, the attestation, its progress, its stream. Arguments: worker,
/// token, job, the time (ISO), entry of jobs:completed, attestation, message of complete_job, seconds that keys are kept
/// (0: for ever).
const Script& complete_script();
/// As the one above with jobs:failed and two attestations; message of job_failed; and before the seconds the number of
/// attempts.
const Script& fail_script();
/// Back to the queue. Keys: the job, jobs:active of the worker, jobs:pending, the attestation. Arguments: worker, token,
/// job, the time (ISO), score, attempts (empty: as they were), attestation (empty: none), seconds that it is kept.
const Script& release_script();

/// Ends a job for whoever asks, waiting or running, as the API does it. Keys: the job, jobs:pending, jobs:failed.
/// Arguments: job, the time (ISO), error, entry of jobs:failed, reason, the time (ms). Answers "done", or the status that
/// is none to be cancelled, or unknown.
const Script& cancel_script();

/// Takes the job of a worker that is gone back to the queue. Keys: the job, jobs:active of that worker, jobs:pending, its
/// heartbeat, jobs:failed, an attestation. Arguments: that worker, its token, the job, the time (ISO), score, attempts,
/// deaths that make it poison, and then: entry of jobs:failed, attestation, message of job_failed. Answers "back",
/// "poison", or "alive" (somebody has moved).
const Script& reap_script();

/// The worker's entry of a job goes, unless the job is (again) that worker's. Keys: the job, jobs:active of the worker.
/// Arguments: worker, job.
const Script& forget_script();

/// EVALSHA's words, with the hash that SCRIPT LOAD told.
Command call_of(const std::string& sha, const std::vector<std::string>& keys,
                const std::vector<std::string>& arguments);

}  // namespace emprops::redis
