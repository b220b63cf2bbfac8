#pragma once
// The deaths of one supervised thing and what follows from them: when it is tried again and why then, or why never.
// Pure; owned by a Life.

#include <optional>
#include <string>

#include "supervisor/process/life/restart_policy.h"
#include "supervisor/process/types.h"

namespace emprops::process {

class Retries {
  public:
    Retries(const config::RestartSettings& settings, Random random) : policy_(settings, std::move(random)) {}

    /// Forgets failures.
    void configure(const config::RestartSettings& settings);
    void forget_failures() { policy_.reset(); }
    /// A job has had its result: a trial that went well ends the trial and its history.
    void worked() { policy_.worked(); }
    /// Remembered, and no more than that.
    void remember(const DeathReport& report) { last_death_ = report; }
    /// Counts in the breaker, although the next process is there already.
    void count(const DeathReport& report, TimePoint now);
    /// Whether another try would be useless: exit code 78, a foreign protocol version, its own word.
    static bool is_final(const DeathReport& report);
    /// Counts, and plans the next attempt; or it has failed, if the death is final.
    void plan(const DeathReport& report, TimePoint now);
    void plan_at(TimePoint at) { next_ = at; }
    /// It is tried now, or not at all.
    void cancel();
    /// See Life::judged. `planned`: the next attempt still lies ahead. True: what is planned has changed so much
    /// that people should hear of it.
    bool judge(int pid, ServiceVerdict verdict, const std::string& text, bool planned, TimePoint now);

    bool due(TimePoint now) const { return next_ && now >= *next_; }
    std::optional<TimePoint> next() const { return next_; }
    bool breaker_open() const { return breaker_open_; }
    /// It is not tried again until somebody intervenes.
    bool failed() const { return !failure_.empty(); }
    const std::optional<DeathReport>& last_death() const { return last_death_; }
    /// When it is tried again and after what, or why it is not.
    std::string why(TimePoint now) const;
    /// "; the one before exited with code 1 after 3 s"; empty: nothing died yet.
    std::string the_one_before() const;

  private:
    RestartPolicy policy_;
    std::optional<TimePoint> next_;
    bool breaker_open_ = false;
    std::string accusation_;  // of an open breaker: why it opened before the fifth death
    std::string failure_;     // what made it fail
    std::optional<DeathReport> last_death_;
};

}  // namespace emprops::process
