#pragma once
// A link in figures and words, for the control API.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "supervisor/base/time.h"

namespace emprops::jobs {

/// Counters since the start and current values.
struct LinkMetrics {
    std::uint64_t connections = 0;  ///< times the Hub welcomed us
    std::uint64_t reconnects = 0;   ///< of these, all but the first
    std::uint64_t offers = 0;
    std::uint64_t claims = 0;
    std::uint64_t refusals = 0;        ///< "Failed to claim"
    std::uint64_t not_idle = 0;        ///< "Worker is not idle"
    std::uint64_t claim_timeouts = 0;  ///< claims that were not answered
    std::uint64_t assignments = 0;
    std::uint64_t fresh_ids = 0;    ///< reconnects for a job that the Hub kept from our id
    std::uint64_t readoptions = 0;  ///< jobs the Hub had taken back and that were claimed again
    std::uint64_t delivered = 0;
    std::map<std::string, std::uint64_t> not_delivered;  ///< by reason, running jobs taken from us included
    std::uint64_t bad_frames = 0;                        ///< frames of the Hub that could not be understood
    std::uint64_t dropped_assemblies = 0;                ///< chunked messages given up
    std::size_t running = 0;
    std::size_t outbox_depth = 0;
    Ms outbox_oldest{0};  ///< age of the oldest undelivered outcome
    Ms last_offer_to_assignment{0};
    Ms max_offer_to_assignment{0};
};

/// The link as an operator sees it.
struct LinkView {
    /// A job that the Hub keeps from our id.
    struct Withheld {
        std::string job_id;
        std::string job_type;
        TimePoint since;
        std::string text;  ///< a sentence: what, why, what follows
    };
    /// An outcome that the Hub has not taken yet.
    struct Outcome {
        std::string job_id;
        std::string job_type;
        bool completed = false;
        TimePoint since;
    };
    enum class Link { waiting, connecting, connected } link = Link::waiting;
    std::string worker_id;  ///< our id at the Hub on this connection
    bool auth_refused = false;
    bool told_idle = false;               ///< what the Hub was told last
    std::vector<std::string> told_types;  ///< what it was told that we can do
    std::string last_error;               ///< why the last connection ended
    std::string suspicion;           ///< what is probably wrong beyond that, and the cure; empty: nothing
    TimePoint attempt_at{};          ///< not connected: when the next attempt begins, or began
    std::vector<Withheld> withheld;  ///< jobs that wait at the Hub and are not given to our id
    std::vector<Outcome> outcomes;
};

}  // namespace emprops::jobs
