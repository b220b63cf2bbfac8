#pragma once
// What the core remembers of the connections and of the jobs that are not finished. Plain values, owned by
// Core.

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "supervisor/local_hub/types.h"

namespace emprops::local_hub {

struct Offer {
    std::string job_id;
    TimePoint until;  ///< the job is offered to nobody else before this
};

/// A connected worker. Its capabilities live as long as its connection: it registers anew on each one.
struct Worker {
    ConnectionId connection = 0;
    std::string id;
    /// Set until it registers: a second connection of that worker, for large results.
    std::optional<std::string> bulk_of;
    bool registered = false;
    bool subscribed = false;  ///< wants job notifications; shown to monitors, offers do not depend on it
    bool leaving = false;
    std::string status = "idle";  ///< the Hub takes a worker for idle before it registers
    std::set<std::string> job_types;
    nlohmann::json capabilities;
    TimePoint last_sign;  ///< last message of any kind
    double connected_at = 0;
    double last_heartbeat = 0;
    std::uint64_t jobs_processed = 0;
    std::optional<Offer> offer;
    std::uint64_t last_offered = 0;  ///< running number of its last offer: the longest waiting is next
    std::map<std::string, TimePoint> passed_by;  ///< offers it did not take: not made again before this
    std::set<std::string> held;                  ///< jobs it has claimed or adopted
    std::set<std::string> told_cancelled;        ///< cancelled jobs that it reported on and was told about

    /// Whose jobs it reports on.
    const std::string& reports_as() const { return bulk_of ? *bulk_of : id; }
};

struct Monitor {
    std::string id;
    std::set<std::string> channels;  ///< empty: everything
};

/// A job that is pending or claimed.
struct ActiveJob {
    Job job;
    std::set<std::string> subscribers;  ///< client ids
    // while pending:
    std::optional<ConnectionId> offered_to;
    // while claimed:
    std::optional<ConnectionId> holder;  ///< who runs it; none: its worker is gone
    TimePoint last_sign;                 ///< claim or last progress
    std::optional<TimePoint> lost_at;    ///< since when it has no holder
    bool lost_by_restart = false;        ///< this hub was away, not the worker: no attempt is counted
};

}  // namespace emprops::local_hub
