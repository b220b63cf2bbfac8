#pragma once
// A job as the Hub's response_job_status shows it. Pure.

#include "ipc/hub/messages.h"
#include "supervisor/local_hub/types.h"

namespace emprops::local_hub {

/// `status` may differ from the job's: "processing" at an assignment.
inline hub::JobStatus status_of(const Job& job, std::string_view status, double timestamp,
                                std::optional<std::string> message = {}) {
    hub::JobStatus shown{job.id, std::string(status), job.worker_id, std::move(message), job.progress};
    shown.started_at = job.claimed_at;
    shown.completed_at = job.completed_at;
    shown.timestamp = timestamp;
    return shown;
}

}  // namespace emprops::local_hub
