#pragma once
// Whether jobs may be claimed: ComfyUI answers, is not known to be broken, and its disk has room. And which
// prompts of ours nobody waits for. Pure; used by the monitor's thread.

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "connectors/comfyui/run.h"

namespace emprops::comfyui {

struct ServiceStatus {
    bool connected = false;
    bool available = false;
    std::string reason;
    bool operator==(const ServiceStatus&) const = default;
};

class Health {
  public:
    /// A probe was answered: "" for yes, else why not. Returns the status if it changed.
    std::optional<ServiceStatus> on_probe(const std::string& problem);
    /// ComfyUI's process must be restarted: unavailable until it was seen gone and back.
    std::optional<ServiceStatus> on_suspicion(const std::string& reason);
    /// The WebSocket ended: how the end of the process shows, if it is too short for a probe.
    std::optional<ServiceStatus> on_socket_lost();
    /// "" or why the disk is too full.
    std::optional<ServiceStatus> on_disk(const std::string& problem);
    bool suspicious() const { return !suspicion_.empty(); }

  private:
    std::optional<ServiceStatus> changed();
    std::string problem_ = "not asked yet";
    std::string suspicion_, disk_;
    bool gone_since_suspicion_ = false;
    std::optional<ServiceStatus> told_;
};

/// Ours in the queue that nobody waits for, running ones first. `space` and `instance` are the mark's.
struct Orphan {
    std::string prompt_id;
    bool running = false;
    bool operator==(const Orphan&) const = default;
};
std::vector<Orphan> find_orphans(const Queue& queue, const std::string& space, int instance,
                                 const std::function<bool(const std::string&)>& wanted);

/// What the capabilities say about ComfyUI; keys without the connector's name, which the Hub link adds.
Json describe_service(const Json& system_stats, std::optional<std::size_t> node_classes, const Json& models);

}  // namespace emprops::comfyui
