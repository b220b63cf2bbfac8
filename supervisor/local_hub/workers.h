#pragma once
// Who is connected as a worker, and what it has said of itself. Pure; owned by Core. Knows nothing of jobs:
// which ones a worker holds is in Jobs, what it is being offered in Offers.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "ipc/hub/messages.h"
#include "supervisor/local_hub/policy.h"
#include "supervisor/local_hub/types.h"

namespace emprops::local_hub {

/// Of a worker that has claimed a job and said nothing since.
inline constexpr const char* working_status = "working";

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
    std::set<std::string> ahead;  ///< types of which it would prepare a job, although it has no slot for them
    int offers_at_once = 1;       ///< it answers so many together
    std::string capabilities = "null";  ///< JSON text
    TimePoint last_sign;                ///< last message of any kind
    double connected_at = 0;
    double last_heartbeat = 0;
    std::uint64_t jobs_processed = 0;
    std::set<std::string> told_cancelled;  ///< cancelled jobs that it reported on and was told about

    bool idle() const { return status == "idle"; }
    /// May get jobs, now or when it has finished what it does.
    bool available() const { return registered && !leaving; }
    /// Whose jobs it reports on.
    const std::string& reports_as() const { return bulk_of ? *bulk_of : id; }
};

class Workers {
  public:
    explicit Workers(const Policy& policy) : policy_(policy) {}

    const Worker& add(ConnectionId connection, const std::string& id, const Now& now);
    void remove(ConnectionId connection);

    const Worker* find(ConnectionId connection) const;
    /// The connection under this id; the newest, when there are several.
    std::optional<ConnectionId> connection_of(const std::string& id) const;
    const std::map<ConnectionId, Worker>& all() const { return workers_; }
    /// Whether somebody but `except` could take jobs of this type.
    bool others_take(const std::string& job_type, ConnectionId except) const;
    /// Registered workers without any message for too long.
    std::vector<ConnectionId> silent(TimePoint now) const;

    /// Why this registration is refused; empty: it is not. Job types are looked at with every offer, and
    /// shown to every monitor.
    std::string refusal(const hub::RegisterWorker& message) const;
    // Of connections that are in the table:
    void sign_of_life(ConnectionId connection, TimePoint now);
    /// Everything but the status.
    void enroll(ConnectionId connection, const hub::RegisterWorker& message, const Now& now);
    /// An empty status changes nothing; "leaving" marks the worker, too.
    void set_status(ConnectionId connection, const std::string& status);
    void set_ahead(ConnectionId connection, std::set<std::string> types);
    void set_offers_at_once(ConnectionId connection, int most);
    /// Whether somebody takes jobs of this type at once, or has not said yet whether it does.
    bool idle_takes(const std::string& job_type) const;
    void heartbeat(ConnectionId connection, const Now& now);
    /// A job of it has ended: counted, and a worker that never says "idle" itself is idle again, as at the Hub.
    void worked(ConnectionId connection);
    /// True once for each cancelled job: it is to be told.
    bool tell_cancelled(ConnectionId connection, const std::string& job_id);
    /// The job is not cancelled any more.
    void forget_cancelled(const std::string& job_id);

  private:
    const Policy& policy_;
    std::map<ConnectionId, Worker> workers_;
    std::unordered_map<std::string, ConnectionId> by_id_;
};

}  // namespace emprops::local_hub
