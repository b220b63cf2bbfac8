#pragma once
// Takes the jobs of workers that are gone back to the queue: the reference never does. One worker of the fleet does it at
// a time (whoever has the key emprops:reaper); it looks at workers of our kind only, which stand in emprops:workers, and at
// a job only when its worker's heartbeat has been missing, and the claim the same, for two lifetimes. A script checks
// again. After three such deaths a job fails as poison. Pure; owned by the session.

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "supervisor/base/time.h"
#include "supervisor/redis/rules/end_texts.h"
#include "supervisor/redis/rules/job_record.h"
#include "supervisor/redis/server.h"

namespace emprops::redis {

struct ReaperPolicy {
    Ms every{20'000};
    /// Two lifetimes of a heartbeat: nothing is taken back earlier, nor sooner after Redis's start or our own connect.
    Ms settled{120'000};
    int deaths = 3;
    bool foreign = false;  ///< also workers that are not of our kind (redis.reap_foreign)
};

class Reaper {
  public:
    Reaper(Server& server, Teller teller, const ReaperPolicy& policy)
        : server_(server), teller_(std::move(teller)), policy_(policy) {}

    void connected(TimePoint now);
    void disconnected();
    std::optional<TimePoint> next_wakeup() const;
    void on_time(TimePoint now);
    std::uint64_t taken_back = 0;

  private:
    struct Sight {
        std::string token;
        TimePoint since;
        std::uint64_t round = 0;
    };

    void round();
    void look_at_worker(const std::string& worker);
    void look_at_job(const std::string& worker, const std::string& job_id);
    void reap(const std::string& worker, const std::string& token, const std::string& job_id);
    bool is_current(std::uint64_t epoch) const { return connected_ && epoch == epoch_; }

    Server& server_;
    const Teller teller_;
    const ReaperPolicy& policy_;
    std::map<std::string, Sight> sights_;  ///< by worker and job
    bool connected_ = false;
    std::uint64_t epoch_ = 0, rounds_ = 0;
    TimePoint since_, next_, now_;
};

}  // namespace emprops::redis
