#pragma once
// The limits that the parts of the local hub obey. A plain value; owned by Core.

#include <chrono>
#include <cstdint>

#include "config/settings.h"
#include "supervisor/base/time.h"

namespace emprops::local_hub {

struct Policy {
    std::uint32_t max_attempts = 4;
    Ms requeue_after{15'000};
    // Not settings:
    Ms stale_claim_after{30'000};
    std::chrono::seconds history{7 * 24 * 3600};
    Ms worker_silence{60'000};     ///< a registered worker without any message for this long is dropped
    Ms offer_hold{3'000};          ///< an offered job is offered to nobody else for this long ...
    Ms offer_hold_per_mib{1'000};  ///< ... and longer for a large payload, which takes time to travel
    int most_offers_at_once = 64;  ///< to one worker
    Ms offer_again_after{10'000};  ///< an offer that was not taken is not made to the same worker before this
    Ms place_again_after{1'000};   ///< likewise of one for which it said it has no place
    std::size_t most_offered_bytes =
        8u << 20;                  ///< payloads under way in offers to one worker; one may be larger
    Ms return_again_after{3'000};  ///< a job that waits elsewhere is asked back again
    Ms retry_pause{1'000};         ///< after a job's first failure; twice as long after each further one ...
    Ms longest_retry_pause{30'000};  ///< ... up to this
    Ms stats_when_changed{1'000};
    Ms stats_at_least{5'000};
    Ms trim_every{60'000};
    int trim_at_once = 500;
    std::uint64_t space_at_once = 1u << 20;  ///< bytes given back to the file system in one step
    std::size_t most_job_types = 16'384;     ///< of one worker: all its connectors together
    std::size_t longest_job_type = 1'024;

    /// How long a job waits that has failed, with so many attempts behind it.
    Ms pause_after(std::uint32_t attempts) const;
    static Policy from(const config::LocalHubSettings& settings);
};

}  // namespace emprops::local_hub
