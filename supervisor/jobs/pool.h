#pragma once
// The instances that jobs can be given to, their slots, and the slots reserved by claims. Answers the two
// questions of the dispatcher: who takes a job of this type, and what can the worker take at all. A job that
// waits takes one slot of its type as well, so that no more is claimed than can start. Pure; owned by the
// dispatcher.
//
// It is asked after every message, and there may be hundreds of instances: what is asked is kept, and counted anew for
// those instances only that were given out to be changed.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "config/settings.h"
#include "supervisor/base/schedule.h"
#include "supervisor/base/time.h"
#include "supervisor/jobs/refusals.h"
#include "supervisor/jobs/types.h"
#include "supervisor/process/types.h"

namespace emprops::jobs {

struct Instance {
    process::InstanceId id;
    process::InstanceInfo info;
    config::SupervisionSettings policy;
    std::uint64_t types_version = 0;         ///< of its list of types: no other list of any instance has it
    bool leaving = false;                    ///< the fleet takes it out of service
    bool stopping = false;                   ///< we asked for its end
    bool alone = false;                      ///< it runs a job that runs alone
    std::optional<TimePoint> gives_back_at;  ///< its service is away for long: its jobs go back then
    bool overdue = false;  ///< it ignores a cancel: nothing new until it has let go or is stopped
    std::optional<TimePoint> paused_until;  ///< too much waits for its stdin
    int held = 0;                           ///< jobs bound to it, also those that nobody waits for any more
    int released = 0;                       ///< of these: jobs that take no slot any more
    int reserved = 0;                       ///< claims bound to it
    int awaited = 0;                        ///< jobs that wait for a slot and are counted against its own
    int ahead = 0;                          ///< jobs without a slot: bound to it, or claimed for it
    bool ahead_allowed = false;             ///< it may get one (ahead.h)
    bool refuses_ahead = false;             ///< it said `not_started` to one
    Refusals refusals;

    /// Runs that have ended for us, but of which it has not said its one `result` or `failed`: it may hold
    /// these job ids, and gets none of them.
    std::set<std::string> unanswered;
    std::optional<TimePoint> replacement_asked;  ///< because of one of these

    /// `version`: for its list of types, if that is a new one.
    void set(const process::InstanceInfo& offer, std::uint64_t version);
    bool serving() const { return !leaving && !stopping && info.available; }
    bool has_type(const std::string& job_type) const;
    /// Jobs that it gets at a time.
    int slots() const { return refusals.slots(info.concurrency); }
    int free_slots() const;
    /// Slots that its jobs take.
    int busy() const { return held - released; }
    /// All its slots are taken, and it can prepare one job more.
    bool can_prepare() const;
    /// And such a one may be claimed for it.
    bool takes_ahead() const { return ahead_allowed && can_prepare(); }
    /// It answered `not_started` while it held `others` jobs that it was given before.
    void refused(TimePoint now, int others, std::string what) {
        refusals.refused(now, others, info.concurrency, std::move(what));
    }
    /// What it refused, and what it gets therefore; empty: it gets what it declares.
    std::string refusal(TimePoint now) const {
        return refusals.text(now, process::to_string(id), id.connector, info.concurrency);
    }
    /// A job does not keep its slot for a service that will not be back within `patience`.
    void note_service(TimePoint now, Ms patience);
};

class Pool {
  public:
    using Filter = std::function<bool(const Instance&)>;

    // Whoever gets an Instance& or Instance* here may change it until capacity() or next_pause_end() is asked for the
    // next time, and finds it again to change it later.

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

    /// Whether one that takes jobs of this type, full or not, passes `filter`.
    bool serves(const std::string& job_type, const Filter& filter) const;

    /// Likewise among those whose slots are all taken: the one that gets it to prepare. `claimed`: it has been
    /// claimed for that, and what no longer may be claimed does not matter.
    Instance* choose_ahead(const std::string& job_type, const Filter& filter, bool claimed = false);

    bool reserve(const std::string& job_id, const std::string& job_type, const Filter& filter);
    bool reserve_ahead(const std::string& job_id, const std::string& job_type, const Filter& filter);
    bool has_reservation(const std::string& job_id) const;
    /// There is one, which was made without a slot.
    bool reserved_ahead(const std::string& job_id) const;
    /// Ends the reservation; the instance it was bound to if that can still take the job.
    Instance* end_reservation(const std::string& job_id);
    std::size_t reservations() const { return reservations_.size(); }
    /// Binds reservations whose instance went away to free slots of others.
    void rebind_reservations();

    /// Counts a waiting job of each of these types against the free slots of its type, instead of the ones
    /// that were counted before; with none, those are free for whoever waits. Where there is no free one, nothing
    /// is to be claimed ahead of it.
    void count_waiting(const std::vector<std::string>& job_types);

    /// Pauses that are over at `now` end. The earliest end of the others.
    void end_pauses(TimePoint now);
    std::optional<TimePoint> next_pause_end();

    /// Types and free slots of everything that serves and is not drained. The same object as long as nothing
    /// changes; built only when it is not one of the last few: a connector may name thousands of types.
    std::shared_ptr<const Capacity> capacity();

    /// It takes jobs that are not promised to it yet.
    bool open(const Instance& instance) const;

  private:
    struct Reservation {
        std::string job_type;
        std::optional<process::InstanceId> instance;
        bool ahead = false;  ///< made without a slot
        bool slot = true;    ///< it takes one of the instance
    };
    std::size_t rank(const std::string& connector) const;
    Instance& touched(Instance& instance);
    void count_touched();
    void list(Instance& instance);
    void unlist(const Instance& instance);
    const std::vector<Instance*>& of_type(const std::string& job_type) const;

    /// What an open instance adds to a capacity: its list of types, how many free slots, one ahead.
    using Part = std::tuple<std::uint64_t, int, bool>;
    Capacity build_capacity() const;

    std::deque<std::pair<std::vector<Part>, std::shared_ptr<const Capacity>>> known_capacities_;
    std::shared_ptr<const Capacity> capacity_;  // null: a part has changed
    std::map<const Instance*, Part> parts_;     // of those that are open
    std::set<Instance*> touched_;               // their parts and pauses are to be counted anew
    std::set<Instance*> awaited_;               // by jobs that wait for a slot
    Schedule<Instance*> pauses_;
    std::map<std::string, std::vector<Instance*>> by_type_;  // each list in the order of the ids
    std::uint64_t type_lists_ = 0;                           // that there were
    std::map<process::InstanceId, Instance> instances_;
    std::map<std::string, Reservation> reservations_;  // by job_id
    std::vector<std::string> order_;
    std::set<std::string> drained_;
};

}  // namespace emprops::jobs
