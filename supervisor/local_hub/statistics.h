#pragma once
// The Hub's statistics for monitors (ipc/hub/PROTOCOL.md 3.3). Pure.

#include "supervisor/local_hub/audience.h"
#include "supervisor/local_hub/jobs.h"
#include "supervisor/local_hub/workers.h"

namespace emprops::local_hub {

/// What `stats_broadcast` carries beside its type, time and id. Lists of jobs are cut: it is sent every second.
Json statistics(const Workers& workers, const Jobs& jobs, const JobQueue& queue, const Audience& audience);

}  // namespace emprops::local_hub
