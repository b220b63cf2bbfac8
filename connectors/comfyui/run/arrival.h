#pragma once
// How a job's prompt comes into ComfyUI: it is looked for, and sent if it is not there. A POST whose answer was
// lost may have been taken, so there is a time of doubt in which it is looked for again
// (connectors/comfyui/API.md 4.5). A job that comes again may have a prompt there already; where no note says
// which, all of its submissions are looked for. Pure; part of a Run, whose submission it fills.

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "connectors/comfyui/run/look.h"
#include "connectors/comfyui/run/reach.h"
#include "connectors/comfyui/run/rules.h"
#include "connectors/comfyui/run/scan.h"
#include "connectors/comfyui/run/submission.h"

namespace emprops::comfyui {

class Arrival {
  public:
    /// The prompt is in ComfyUI: `found` there, or taken by a POST.
    struct Arrived {
        std::optional<Found> found;
        std::string note;  ///< for people; empty: nothing to say
        Json node_errors;  ///< of a POST: outputs that ComfyUI refused
    };
    /// There is none, and the job was cancelled meanwhile.
    struct NothingToWithdraw {};
    /// monostate: next() says how it goes on. After a failure a POST may still have been taken where the
    /// submission is `doubtful`.
    using Result = std::variant<std::monostate, Arrived, Refused, Failure, NothingToWithdraw>;
    using Names = std::function<std::string(int)>;

    /// All of them outlive it. `submission` becomes the first one.
    Arrival(const RunRules& rules, const Names& name, Reach& reach, Submission& submission, TimePoint now);
    Arrival(const Arrival&) = delete;
    Arrival& operator=(const Arrival&) = delete;

    /// Looks for this submission, and sends it if it is not there.
    void begin(int number, TimePoint now);

    Action next(TimePoint now) const;
    /// The look that has not begun comes at `at` at the latest.
    void come_by(TimePoint at) { look_.come_by(at); }
    /// It has asked, and has not found an answer yet: no time limit may cut in.
    bool has_begun_to_look() const { return look_.has_begun(); }

    Result on_post(const PostAnswer& answer, TimePoint now);
    Result on_history(const HistoryAnswer& answer, TimePoint now);
    Result on_queue(const Queue& queue, TimePoint now);
    Result on_recent(const RecentAnswer& answer, TimePoint now);
    /// There was no answer; the next question is due at `again`.
    void on_no_answer(TimePoint again, TimePoint now);

    /// The job was cancelled. True: there may be a prompt, and it is looked for until `until` at the latest.
    bool cancel(TimePoint until, TimePoint now);
    /// That time is over.
    bool gave_up(TimePoint now) const { return phase_ == Phase::scan && scan_.gave_up(now); }

    /// The first questions for a prompt whose number is known: nothing was sent yet.
    bool is_first_look() const { return phase_ == Phase::lookup; }
    /// Every submission of the job is looked for.
    bool is_scanning() const { return phase_ == Phase::scan; }
    /// The earlier process noted the submission; it was not looked for in vain yet.
    bool is_noted() const { return noted_; }
    std::vector<std::string> possible_ids() const { return scan_.possible_ids(); }

  private:
    enum class Phase { scan, lookup, post, doubt };

    Result not_there(TimePoint now);
    Result doubt(std::string what, TimePoint now);
    Result arrived(Arrived how, TimePoint now);
    Result not_taken(const ServerError& error, TimePoint now);
    Result put_off(const PutOff& answer, TimePoint now);
    Result scanned(Scan::Result result, TimePoint now);
    Result found(Found found, TimePoint now);
    Result found_over(Found found, bool again, TimePoint now);
    Result in_doubt(TimePoint now);

    const RunRules& rules_;
    const Names& name_;
    Reach& reach_;
    Submission& submission_;
    Phase phase_ = Phase::lookup;
    Scan scan_;
    Look look_;
    TimePoint post_at_;  // not before
    bool noted_;
    bool looked_for_earlier_ = false;  // a POST of the earlier process was waited for
};

}  // namespace emprops::comfyui
