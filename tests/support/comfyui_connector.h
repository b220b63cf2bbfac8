#pragma once
// The real ComfyUI connector as a child process, driven over its pipes as the supervisor does it. For
// integration tests; every wait has a deadline.

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace emprops::test {

class ComfyConnector {
  public:
    /// Starts it with `settings` (server_url and short limits are filled in) and says hello, with the
    /// `concurrency` that is configured for it.
    ComfyConnector(const std::string& server_url, nlohmann::json settings = nlohmann::json::object(),
                   const std::string& work_root = {}, int instance = 0, const std::string& hub = {},
                   std::optional<int> concurrency = {});

    /// Waits until it says that jobs may come.
    bool wait_available(Ms deadline = Ms(10'000));
    bool wait_unavailable(Ms deadline = Ms(10'000));
    void give(const std::string& job_id, const nlohmann::json& payload, bool resume = false);
    void give_text(const std::string& job_id, const std::string& payload, bool resume = false);
    void cancel(const std::string& job_id);
    /// The `result` or `failed` message of a job, with the entries of files that are delivered (played_delivery.h).
    nlohmann::json outcome(const std::string& job_id, Ms deadline = Ms(20'000));
    /// The next message of this type (others are remembered in `seen`).
    std::optional<nlohmann::json> next(const std::string& type, Ms deadline = Ms(10'000));

    ChildProcess& child() { return *child_; }
    std::string work_root() const { return work_root_; }
    std::vector<nlohmann::json> seen;  ///< every message so far, in order

  private:
    TempDir folder_;
    std::string work_root_;
    int instance_ = 0;
    std::unique_ptr<ChildProcess> child_;
};

}  // namespace emprops::test
