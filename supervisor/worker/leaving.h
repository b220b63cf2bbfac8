#pragma once
// How the worker leaves: what a signal, a drain notice or a refusing Hub leads to, how long outcomes wait for
// the Hub, and with which exit code the process ends. Pure; owned by the worker.
//
//   running --signal, notice--> leaving: no new jobs, those that run finish or are given back
//      |                           | no job is left, and the Hub has every outcome or had 10 s for them
//      +--the Hub refuses us------ +--> stopping: connectors and link end --stopped--> ended
//   a third signal ends it from anywhere: the connectors are killed

#include <optional>
#include <variant>
#include <vector>

#include "supervisor/base/time.h"
#include "supervisor/jobs/drains.h"

namespace emprops {

class Leaving {
  public:
    enum class Phase { running, leaving, stopping, ended };

    /// `mode`: how the first signal drains.
    explicit Leaving(jobs::DrainMode mode) : mode_(mode) {}

    void signal();
    void notice();
    void refused();  ///< the Hub refused our token, and nothing is left to be done here
    /// After every turn of the loop. `quiet`: no job is left here; `delivered`: no outcome waits for the Hub.
    void look(TimePoint now, bool quiet, bool delivered);
    void stopped();  ///< answer to Stop: connectors and link have ended

    struct Drain {
        jobs::DrainMode mode = jobs::DrainMode::graceful;
    };
    struct Kill {};  ///< all connectors, now
    struct Stop {};  ///< the connectors, then the link
    struct End {
        int exit_code = 0;
    };
    using Action = std::variant<Drain, Kill, Stop, End>;
    std::vector<Action> take_actions();
    std::optional<TimePoint> next_wakeup() const;  ///< call look() then

    Phase phase() const { return phase_; }
    int signals() const { return signals_; }

  private:
    void drain(jobs::DrainMode mode);
    void stop();
    void end();

    jobs::DrainMode mode_;
    Phase phase_ = Phase::running;
    int signals_ = 0;
    int exit_code_ = 0;
    std::optional<TimePoint> flushed_by_;  ///< what is not delivered by then stays in the ledger
    std::vector<Action> actions_;
};

const char* to_string(Leaving::Phase phase);

}  // namespace emprops
