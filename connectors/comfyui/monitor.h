#pragma once
// Watches ComfyUI beside the jobs, on a thread of its own: tells the supervisor whether jobs may come and
// what ComfyUI can do, and sees off prompts of ours that no job waits for (left by an earlier process, or by
// a cancel that ComfyUI did not notice in time).

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "connectors/comfyui/api.h"
#include "connectors/comfyui/health.h"
#include "connectors/comfyui/mailbox.h"
#include "emprops/connector.h"

namespace emprops::comfyui {

class Monitor {
  public:
    /// All references must outlive the object. Starts the thread.
    Monitor(const Settings& settings, ConnectorContext& context, const Mailboxes& boxes, std::string space,
            int instance);
    ~Monitor();
    Monitor(const Monitor&) = delete;
    Monitor& operator=(const Monitor&) = delete;

    // From any thread:
    void suspect(const std::string& reason);
    void see_off(const std::string& prompt_id);
    void socket_lost();

  private:
    void run();
    void probe();
    void refresh_capabilities(const Json& system_stats);
    void check_disk();
    void see_orphans_off();
    void tell(const std::optional<ServiceStatus>& status);

    const Settings& settings_;
    ConnectorContext& context_;
    const Mailboxes& boxes_;
    const std::string space_;
    const int instance_;
    Api api_;
    const TimePoint began_;
    TimePoint capabilities_at_;
    Json last_capabilities_;

    std::mutex mutex_;  // guards what follows
    std::condition_variable condition_;
    Health health_;
    std::set<std::string> unwanted_;
    bool stopping_ = false;
    bool hurry_ = false;

    std::thread thread_;
};

}  // namespace emprops::comfyui
