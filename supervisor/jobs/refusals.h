#pragma once
// What one instance has refused (`not_started`), and how many jobs it gets therefore, whatever it declares.
// Pure; part of an Instance (pool.h).
//
//   while it held n jobs     it gets n at a time, until it ends or offers something else
//   while it held none       it is asked again after 1 s, then after twice as long, at most 30 s, with one job
//                            at a time until it begins one

#include <algorithm>
#include <optional>
#include <string>

#include "supervisor/base/time.h"

namespace emprops::jobs {

class Refusals {
  public:
    /// It answered `not_started` while it held `others` jobs that it was given before. `what`: the job and
    /// its words, for a person.
    void refused(TimePoint now, int others, int concurrency, std::string what);
    void began_one();
    /// What it refused was refused under another offer.
    void offers_anew() { *this = {}; }
    /// Why the fleet cannot give it jobs, if that is no passing thing; else empty.
    void trouble(std::string why) { trouble_ = std::move(why); }

    int slots(int concurrency) const { return in_a_row_ > 0 ? 1 : std::min(concurrency, takes(concurrency)); }
    bool one_at_a_time() const { return in_a_row_ > 0; }
    std::optional<TimePoint> asked_again() const { return asked_again_; }  ///< it gets nothing before
    void end_pause() { asked_again_.reset(); }
    /// As a sentence; empty: it gets what it declares.
    std::string text(TimePoint now, const std::string& who, const std::string& connector,
                     int concurrency) const;

  private:
    int takes(int concurrency) const { return takes_.value_or(concurrency); }

    std::optional<int> takes_;              ///< so many jobs at a time
    int in_a_row_ = 0;                      ///< refusals while it held nothing
    std::optional<TimePoint> asked_again_;  ///< and not before this
    std::string refused_;                   ///< the job and its words; empty: nothing counts now
    std::string trouble_;
};

}  // namespace emprops::jobs
