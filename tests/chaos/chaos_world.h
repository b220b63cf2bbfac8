#pragma once
// The chaos test's world: a hub, a relay, a worker with eight connectors of different temper, the jobs that
// were submitted, and the random damage that is done to all of them from one seed. For the test's thread.

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "tests/support/job_client.h"
#include "tests/support/proxy_thread.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {

struct ChaosJob {
    std::string type;
    Json payload;
    std::string checksum;
    bool cancel_acknowledged = false;
    std::string final_status;  ///< the first final one that was seen; empty: none yet
};

class ChaosWorld {
  public:
    explicit ChaosWorld(std::uint64_t seed);

    /// Submits until this many jobs are on their way.
    void submit_up_to(std::size_t on_their_way);
    /// One random piece of damage.
    void damage();
    /// Asks the hub about the jobs that are not final as far as we know; false while it is away.
    bool look();
    /// No faults any more; the hub and the worker run.
    void make_peace();
    bool all_final() const;

    /// What the hub says about a job; null if it cannot be asked or does not know it.
    Json at_hub(const std::string& job_id) const;
    /// The result is the one of this job's payload, byte for byte as far as its checksum tells.
    static bool right_result(const ChaosJob& job, const Json& result);

    const std::map<std::string, ChaosJob>& jobs() const { return jobs_; }
    const std::map<std::string, int>& damage_done() const { return damage_done_; }
    /// What was asked of the jobs themselves.
    const std::map<std::string, int>& faults() const { return faults_; }
    std::filesystem::path journal() const { return dir_ / "journal"; }
    TestWorker& worker() { return *worker_; }
    /// Logs of all supervisors so far.
    std::string logs() const { return old_logs_ + worker_->log(); }

  private:
    bool submit_one();
    void kill_connector(int signal, const char* what);
    void restart_connector();
    void kill_supervisor();
    void kill_hub();
    void cut_link();
    void stall_link();
    void cancel_job();
    void count(const std::string& what) { ++damage_done_[what]; }
    int random(int from, int to) { return std::uniform_int_distribution<int>(from, to)(random_); }
    std::optional<Json> status_now() const;
    const std::string& random_open_job();

    std::mt19937_64 random_;
    TempDir dir_;
    TestHub hub_;
    ProxyThread proxy_;
    std::unique_ptr<TestWorker> worker_;
    std::map<std::string, ChaosJob> jobs_;
    std::set<std::string> open_;  ///< ids of jobs that are not final as far as we know
    std::map<std::string, int> damage_done_;
    std::map<std::string, int> faults_;
    std::string old_logs_;
};

}  // namespace emprops::test
