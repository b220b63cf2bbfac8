#pragma once
// Whether an instance whose slots are all taken gets one job more, to prepare it. Pure; part of the dispatcher.
//
//   always   the Hub takes a job back for nothing, and asks for it when somebody else could begin it (the local hub)
//   soon     only while one of the jobs that run there will probably end within a time (the EmProps Hub): what is
//            claimed there stays claimed
//   never    nobody has said which Hub it is, or claim_ahead is 0

#include <optional>

#include "supervisor/base/time.h"
#include "supervisor/jobs/active_job.h"
#include "supervisor/jobs/job_book.h"
#include "supervisor/jobs/pool.h"

namespace emprops::jobs {

/// When a running job will probably be over, by its pace since it first said how far it is; nothing: it is not known.
std::optional<TimePoint> probable_end(const ActiveJob& job);

class Ahead {
  public:
    enum class Rule { never, soon, always };

    void set(Rule rule, Ms within) {
        rule_ = rule;
        within_ = within;
    }
    /// A job that has not begun goes back at once when nothing new is taken, and comes to whoever begins it first.
    bool goes_back() const { return rule_ == Rule::always; }
    bool follows_progress() const { return rule_ == Rule::soon; }
    /// Tells each instance of the pool (Instance::ahead_allowed).
    void mark(TimePoint now, const JobBook& book, Pool& pool);
    /// When mark() will say something else of itself; as of its last call.
    std::optional<TimePoint> next_wakeup() const { return next_; }

  private:
    Rule rule_ = Rule::never;
    Ms within_{0};
    std::optional<TimePoint> next_;
};

}  // namespace emprops::jobs
