#pragma once
// The instances that jobs can be given to, their slots, and the slots reserved by claims. Answers the two
// questions of the dispatcher: who takes a job of this type, and what can the worker take at all. Pure; owned
// by the dispatcher.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/settings.h"
#include "supervisor/base/time.h"
#include "supervisor/jobs/types.h"
#include "supervisor/process/types.h"

namespace emprops::jobs {

struct Instance {
    process::InstanceId id;
    process::InstanceInfo info;
    config::SupervisionSettings policy;
    bool leaving = false;   ///< the fleet takes it out of service
    bool stopping = false;  ///< we asked for its end
    bool overdue = false;   ///< it ignores a cancel: nothing new until it has let go or is stopped
    std::optional<TimePoint> paused_until;  ///< too much waits for its stdin
    int held = 0;                           ///< jobs bound to it, also those that nobody waits for any more
    int reserved = 0;                       ///< claims bound to it

    void set(const process::InstanceInfo& offer);
    bool serving() const { return !leaving && !stopping && info.available; }
    bool has_type(const std::string& job_type) const;
    int free_slots() const;
};

class Pool {
  public:
    using Filter = std::function<bool(const Instance&)>;

    /// Adds it, or replaces what is known of it.
    Instance& put(const process::InstanceId& id, const process::InstanceInfo& info,
                  const config::SupervisionSettings& policy);
    Instance* find(const process::InstanceId& id);
    const Instance* find(const process::InstanceId& id) const;
    /// Reservations of the instance move to others where possible.
    void remove(const process::InstanceId& id);
    const std::map<process::InstanceId, Instance>& instances() const { return instances_; }

    void set_connector_order(std::vector<std::string> order) { order_ = std::move(order); }
    /// No new claims for the types of this connector.
    void set_drained(const std::string& connector, bool drained);

    /// The instance with a free slot for `job_type` that passes `filter`: least loaded, then list order.
    Instance* choose(const std::string& job_type, const Filter& filter = {});

    bool reserve(const std::string& job_id, const std::string& job_type, const Filter& filter);
    bool has_reservation(const std::string& job_id) const;
    /// Ends the reservation; the instance it was bound to if that can still take the job.
    Instance* end_reservation(const std::string& job_id);
    std::size_t reservations() const { return reservations_.size(); }
    /// Binds reservations whose instance went away to free slots of others.
    void rebind_reservations();

    /// Pauses that are over at `now` end. The earliest end of the others.
    void end_pauses(TimePoint now);
    std::optional<TimePoint> next_pause_end() const;

    /// Types and free slots of everything that serves and is not drained.
    Capacity capacity() const;

  private:
    struct Reservation {
        std::string job_type;
        std::optional<process::InstanceId> instance;
    };
    bool open(const Instance& instance) const;  // takes jobs that are not promised to it yet
    std::size_t rank(const std::string& connector) const;

    std::map<process::InstanceId, Instance> instances_;
    std::map<std::string, Reservation> reservations_;  // by job_id
    std::vector<std::string> order_;
    std::set<std::string> drained_;
};

}  // namespace emprops::jobs
