#pragma once
// The clocks of one job: how long it waits, runs, is silent, may ignore a cancel. Pure functions.

#include <optional>

#include "supervisor/base/time.h"
#include "supervisor/jobs/active_job.h"
#include "supervisor/jobs/pool.h"

namespace emprops::jobs {

enum class Limit {
    waited,          ///< nobody began it in time
    ignores_cancel,  ///< the connector did not answer the cancel in time
    service_away,    ///< the service of its instance will not be back for long
    begun_silently,  ///< `accepted` is optional: a connector that refused its last job, and says nothing of this
                     ///< one, has begun it
    ran_too_long,  ///< job_timeout
    hung,          ///< no_progress_timeout
};

/// `runner`: its instance; nullptr: it has none.
std::optional<TimePoint> next_limit(const ActiveJob& job, const Instance* runner);
/// The limit that is over at `now`; of several the first in the order above.
std::optional<Limit> limit_over(TimePoint now, const ActiveJob& job, const Instance* runner);

}  // namespace emprops::jobs
