#pragma once
// Whether jobs may be claimed: ComfyUI answers, is not known to be broken, and its disk has room. And which
// prompts of ours nobody waits for. Pure; used by the monitor's thread.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "connectors/comfyui/run/actions.h"
#include "connectors/comfyui/run/answers.h"
#include "connectors/comfyui/text/mark.h"

namespace emprops::comfyui {

struct ServiceStatus {
    bool connected = false;
    bool available = false;
    std::string reason;  ///< why not available; of an available one: what it has to do without
    bool operator==(const ServiceStatus&) const = default;
};

class Health {
  public:
    /// A suspicion that nothing but a prompt could disprove lapses after `lapse`, so that a job tries.
    explicit Health(Ms lapse) : lapse_(lapse) {}
    /// A probe was answered: "" for yes, else why not. `gone`: nobody is there, which is how a restart shows;
    /// a slow answer does not show it. Returns the status if it changed.
    std::optional<ServiceStatus> on_probe(const std::string& problem, bool gone = false);
    /// ComfyUI's process must be restarted: unavailable until it was seen gone and back. A dead worker thread
    /// (no `fault`) is believed in only until the queue goes on.
    std::optional<ServiceStatus> on_suspicion(const RestartService& suspicion, TimePoint now);
    /// What runs; asked while suspicious.
    std::optional<ServiceStatus> on_queue(const Queue& queue, TimePoint now);
    /// A withdrawn prompt goes on running ("" when there is none any more).
    std::optional<ServiceStatus> on_lingering(const std::string& reason);
    /// Why jobs would only wait behind somebody else's prompt ("" when they would not).
    std::optional<ServiceStatus> on_blocker(const std::string& reason);
    /// "" or why a disk is too full.
    std::optional<ServiceStatus> on_disk(const std::string& problem);
    /// Why there is no WebSocket ("" when there is one): no reason to take no jobs, but one to be said.
    std::optional<ServiceStatus> on_socket(const std::string& why_not);
    bool suspicious() const { return !suspicion_.empty(); }

  private:
    std::optional<ServiceStatus> changed();
    std::string problem_ = "not asked yet";
    std::string suspicion_, lingering_, blocker_, disk_, no_socket_;
    Ms lapse_;
    bool fault_ = false;
    TimePoint suspicious_since_;
    bool gone_since_suspicion_ = false;
    std::string stuck_;  // what a dead worker thread is at; "": nothing
    std::optional<ServiceStatus> told_;
};

/// How soon ComfyUI is looked at again. While it starts, or is gone and may be starting, often: it is cheap to find
/// nobody there, and each look that comes late is time without jobs. Pure.
class ProbePace {
  public:
    void probed(bool answered, TimePoint now);
    /// `usual`: status_interval.
    Ms pause(Ms usual, TimePoint now) const;

  private:
    static constexpr Ms while_starting{500};
    static constexpr Ms start_takes{300'000};  // longer than that it is not starting, but gone

    std::optional<TimePoint> silent_since_;
};

/// Watches for somebody else's prompt that is the running one without end. After `limit` it blocks (no jobs
/// are taken); a long render does that too, so only after three times that, with the same one at the head and
/// no event of it, the worker thread is taken for dead. Prompts of our own are their jobs' to watch. Not
/// thread-safe.
class HeadWatch {
  public:
    explicit HeadWatch(Ms limit) : limit_(limit) {}
    void look(const Queue& queue, const std::string& space, TimePoint now);
    /// A waiting job saw it there before we did.
    void seen(const Blocked& blocked);
    /// An event of this prompt came then: if it is the head, it lives.
    void sign(const std::string& prompt_id, TimePoint at);
    /// ComfyUI's process ended.
    void gone() { head_.reset(); }
    /// Whose prompt blocks, for people; "" when none does.
    std::string blocker(TimePoint now) const;
    /// Once for a head that has been there, without a sign, for three times the limit.
    std::optional<RestartService> dead(TimePoint now);

  private:
    Ms limit_;
    std::optional<Blocked> head_;
    TimePoint sign_;  // of head_
    bool reported_ = false;
};

/// Ours in the queue that nobody waits for.
struct Orphan {
    std::string prompt_id;
    bool running = false;
    bool again = false;  ///< it was interrupted before, and has not let go
    bool operator==(const Orphan&) const = default;
};

/// Decides which prompts of ours are to be removed, and how often that is tried. Prompts that were given up
/// on go at once, others when no job has been there for them for `grace` (a job that is resumed may still
/// come). Not thread-safe.
class Orphans {
  public:
    explicit Orphans(Ms grace, Ms stuck_after) : grace_(grace), stuck_after_(stuck_after) {}
    /// `doubtful`: ComfyUI may show it only later.
    void unwanted(const std::string& prompt_id, bool doubtful, TimePoint now);
    /// A job waits for it after all.
    void wanted(const std::string& prompt_id) { unwanted_.erase(prompt_id); }
    bool any_unwanted() const { return !unwanted_.empty(); }
    /// `has_job`: whether a job waits for this item, or may do so; `waits_for`: whether one does by this id,
    /// which takes back that it is unwanted unless it was interrupted already. What to remove now, running
    /// ones first. Only prompts that `instance` sent: two that interrupt one prompt could stop the next one,
    /// too.
    std::vector<Orphan> look(const Queue& queue, const std::string& space, int instance,
                             const std::function<bool(const QueueItem&)>& has_job,
                             const std::function<bool(const std::string&)>& waits_for, TimePoint now);
    /// A prompt that runs on although it was interrupted; empty when there is none.
    const std::string& lingering() const { return lingering_; }
    /// True once for a prompt that has lingered for `stuck_after`.
    bool stuck(TimePoint now);

  private:
    struct Unwanted {
        TimePoint keep_until;
        std::optional<TimePoint> interrupted, first_interrupted;
        bool reported = false;
    };
    Ms grace_, stuck_after_;
    std::map<std::string, Unwanted> unwanted_;
    std::map<std::string, TimePoint> alone_since_;
    std::string lingering_;
};

/// What the capabilities say about ComfyUI; keys without the connector's name, which the Hub link adds.
Json describe_service(const Json& system_stats, std::optional<std::size_t> node_classes, const Json& models);

}  // namespace emprops::comfyui
