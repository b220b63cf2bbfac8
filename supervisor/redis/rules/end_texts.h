#pragma once
// What is written and said when a job begins, goes on and ends, as the reference worker writes it: keys of attestations,
// JSON of records and messages. Pure; time is a parameter. supervisor/redis/PROTOCOL.md, "Ends".

#include <cstdint>
#include <string>
#include <string_view>

#include "ipc/messages.h"
#include "supervisor/redis/rules/job_record.h"

namespace emprops::redis {

/// Who says it.
struct Teller {
    std::string worker, machine, version;
};

/// A connector's error in the words of the queue's own monitors, by what is known of it and not by its text.
struct FailureClass {
    const char* type;
    const char* reason;
};
FailureClass class_of(const std::string& error_code);

/// The whole result as the reference stores it: clients read result.data.
std::string result_text(std::string_view connector_result, std::int64_t took_ms);

struct Completion {
    std::string attestation_key, attestation;
    std::string entry;    ///< of jobs:completed
    std::string message;  ///< on complete_job
};
Completion completion_of(const JobRecord& job, const Teller& teller, std::string_view result,
                         std::int64_t now_ms);

struct Failure {
    std::string attestation_key, attestation;
    std::string final_key;  ///< of the second attestation, if there is no further attempt
    std::string entry;      ///< of jobs:failed
    std::string message;    ///< on job_failed
    std::int64_t attempts = 0;
};
/// `again`: it goes back to the queue.
Failure failure_of(const JobRecord& job, const Teller& teller, const ipc::JobError& error, bool again,
                   std::int64_t now_ms);

/// On update_job_progress. `percent`: at most 99 before the end.
std::string progress_message(const JobRecord& job, const std::string& worker, int percent,
                             const std::string& message, std::int64_t now_ms);
/// On worker_status.
std::string status_message(const std::string& worker, bool busy, const std::string& job_id,
                           std::int64_t now_ms);

}  // namespace emprops::redis
