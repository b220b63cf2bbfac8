#pragma once
// How long a process may take until it is up: start_timeout from its spawn, and once it says that it is `preparing`,
// start_timeout from each such word and prepare_timeout in all. Pure; owned by a Run.

#include <algorithm>
#include <optional>
#include <string>

#include "ipc/messages.h"
#include "ipc/text/people.h"
#include "supervisor/base/time.h"
#include "supervisor/process/evidence.h"

namespace emprops::process {

struct StartLimits {
    Ms start{0};    ///< zero: it takes what it takes, whatever it says
    Ms prepare{0};  ///< never less than `start`
};

class StartClock {
  public:
    StartClock(StartLimits limits, TimePoint spawned_at) : limits_(limits), spawned_at_(spawned_at) {}

    /// It says that it works on it. True: people should hear of it, which they did not for 10 s.
    bool preparing(const ipc::Preparing& said, TimePoint now) {
        said_at_ = now;
        doing_ = (said.progress ? ", " + std::to_string(*said.progress) + " %" : "") +
                 (said.message.empty() ? "" : ": " + cut(said.message));
        if (told_at_ && now < *told_at_ + between_notes) return false;
        told_at_ = now;
        return true;
    }
    /// It has said so.
    bool preparing() const { return said_at_.has_value(); }
    /// Completes "it is preparing".
    const std::string& doing() const { return doing_; }

    std::optional<TimePoint> deadline() const {
        if (limits_.start <= Ms{0}) return std::nullopt;
        return std::min(said_at_.value_or(spawned_at_) + limits_.start, spawned_at_ + whole());
    }
    /// Why it is stopped at its deadline. `sign`: what it did not give ("no ready").
    std::string over(const std::string& sign, TimePoint now) const {
        if (!said_at_) return sign + " within " + human_duration(limits_.start) + " (start_timeout)";
        const std::string last = "; it was preparing" + doing_;
        if (now >= spawned_at_ + whole())
            return sign + " within " + human_duration(whole()) + " (prepare_timeout)" + last;
        return "nothing was heard for " + human_duration(limits_.start) + " (start_timeout)" + last;
    }

  private:
    static constexpr Ms between_notes{10'000};
    Ms whole() const { return std::max(limits_.start, said_at_ ? limits_.prepare : Ms{0}); }

    StartLimits limits_;
    TimePoint spawned_at_;
    std::optional<TimePoint> said_at_;
    std::optional<TimePoint> told_at_;
    std::string doing_;
};

}  // namespace emprops::process
