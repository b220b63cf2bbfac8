#pragma once
// Which prompt of a job ComfyUI has, where an earlier process of ours left no note about it: the queue, the
// history of each submission from the last one down, and then the newest of the history. What still runs or
// ended well is taken. A failure is not: nothing says that it belongs to this assignment. Pure; told answers
// that are none of "unreachable" or "denied".

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "connectors/comfyui/run/look.h"

namespace emprops::comfyui {

class Scan {
  public:
    /// Nothing of the job lives in ComfyUI. `failed`: the highest submission that ended badly.
    struct Nothing {
        std::optional<int> failed;
    };
    /// nullopt: it has more to ask.
    using Result = std::optional<std::variant<OwnPrompt, Nothing>>;

    /// `name` gives the prompt id of a submission number.
    Scan(OwnMark own, std::function<std::string(int)> name, TimePoint now);

    Action next(TimePoint now) const;
    void postpone(TimePoint until) { at_ = until; }
    Result on_queue(const Queue& queue);
    Result on_history(const HistoryAnswer& answer);
    Result on_recent(const Json& entries) const;

    /// The job was cancelled. What is to be taken back is still to be found, until `until` at the latest.
    void cancel(TimePoint until, TimePoint now);
    bool gave_up(TimePoint now) const { return until_ && now >= *until_; }
    bool is_cancelled() const { return until_.has_value(); }
    /// All ids that a prompt of the job may have.
    std::vector<std::string> possible_ids() const;

  private:
    enum class Step { queue, history, recent };

    OwnMark own_;
    std::function<std::string(int)> name_;
    Step step_ = Step::queue;
    int submission_ = highest_submission;  // of Step::history
    TimePoint at_;
    std::optional<TimePoint> until_;
};

}  // namespace emprops::comfyui
