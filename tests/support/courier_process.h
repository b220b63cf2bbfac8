#pragma once
// The real courier as a child process, driven over its pipes as the supervisor does it. For integration tests; every wait
// has a deadline.

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace emprops::test {

class CourierProcess {
  public:
    /// Starts it with `settings` (the spool is filled in) and says hello.
    explicit CourierProcess(nlohmann::json settings = nlohmann::json::object());

    /// Writes a file into the spool.
    void put(const std::string& relative, const std::string& content) {
        spool_.write_file(relative, content);
    }
    void deliver(const std::string& job_id, const nlohmann::json& payload);
    void cancel(const std::string& job_id);
    /// The `result` or `failed` message of a job.
    nlohmann::json outcome(const std::string& job_id, Ms deadline = Ms(20'000));
    /// The next message of this type.
    std::optional<nlohmann::json> next(const std::string& type, Ms deadline = Ms(10'000));

    ChildProcess& child() { return *child_; }
    const TempDir& spool() const { return spool_; }
    std::vector<nlohmann::json> seen;  ///< every message so far, in order

  private:
    TempDir spool_;
    std::unique_ptr<ChildProcess> child_;
    bool ready_ = false;
};

}  // namespace emprops::test
