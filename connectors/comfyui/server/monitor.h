#pragma once
// Watches ComfyUI beside the jobs, on a thread of its own: tells the supervisor whether jobs may come and
// what ComfyUI can do, and sees off prompts of ours that no job waits for (left by an earlier process, or by
// a cancel that ComfyUI did not notice in time).

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "connectors/comfyui/server/api.h"
#include "connectors/comfyui/server/health.h"
#include "connectors/comfyui/server/mailbox.h"
#include "emprops/connector.h"

namespace emprops::comfyui {

class Monitor {
  public:
    /// All references must outlive the object. Starts the thread. `work_dir` is the instance's (leases).
    Monitor(const Settings& settings, ConnectorContext& context, const Mailboxes& boxes, std::string space,
            int instance, std::string work_dir);
    ~Monitor();
    Monitor(const Monitor&) = delete;
    Monitor& operator=(const Monitor&) = delete;

    // From any thread:
    void suspect(const RestartService& suspicion);
    void blocked(const Blocked& by);
    void see_off(const std::vector<std::string>& prompt_ids, bool doubtful);
    void keep(const std::string& prompt_id);
    /// The WebSocket ended: perhaps the process did, so it is looked at now.
    void look_now();
    /// Why there is none and will not be soon; "": there is one.
    void socket(const std::string& why_not);

  private:
    void run();
    bool quiet(TimePoint now);
    void probe();
    void refresh_capabilities(const Json& system_stats);
    void check_disk();
    void look_at_queue();
    void tell(const std::optional<ServiceStatus>& status);

    const Settings& settings_;
    ConnectorContext& context_;
    const Mailboxes& boxes_;
    const std::string space_;
    const int instance_;
    const std::string work_dir_;
    std::atomic<bool> stop_{false};
    Api api_;
    ProbePace pace_;
    TimePoint capabilities_at_, queue_at_;
    TimePoint looked_at_;
    std::string running_;  // a prompt of ours that the last queue showed as the running one; "": none
    Json last_capabilities_;

    std::mutex mutex_;  // guards what follows
    std::condition_variable condition_;
    Health health_;
    Orphans orphans_;
    HeadWatch head_;
    bool hurry_ = false;

    std::thread thread_;
};

}  // namespace emprops::comfyui
