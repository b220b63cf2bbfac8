#pragma once
// One look for a prompt that is known by its id: the history, the queue, and the history again, since it may
// have ended between the two (connectors/comfyui/API.md 6.9). Where the server made an id of its own, the
// newest of the history comes last. Pure; told answers that are none of "unreachable" or "denied".

#include <algorithm>
#include <optional>
#include <string>

#include "connectors/comfyui/run/actions.h"
#include "connectors/comfyui/run/answers.h"
#include "connectors/comfyui/text/mark.h"

namespace emprops::comfyui {

/// Where a prompt is. `unclear`: it is not in the queue, and ComfyUI cannot say what its history has.
enum class Where { finished, running, pending, absent, unclear };

struct Found {
    Where where = Where::absent;
    Entry entry;  ///< of finished
};

class Look {
  public:
    /// A new look, not before `at`.
    void begin(TimePoint at) {
        step_ = Step::history;
        at_ = at;
    }
    /// Likewise, of a prompt that is probably in the queue, or nowhere: one question less in both cases.
    void begin_with_queue(TimePoint at) {
        step_ = Step::queue_first;
        at_ = at;
    }
    /// The look that has not begun comes at `at` at the latest.
    void come_by(TimePoint at) { at_ = std::min(at_, at); }
    /// Goes on with the newest of the history.
    void ask_recent() { step_ = Step::recent; }
    /// It has asked, and has not found an answer yet: no time limit may cut in.
    bool has_begun() const { return step_ != Step::history && step_ != Step::queue_first; }

    Action next(const std::string& prompt_id, TimePoint now) const;
    /// nullopt: it has more to ask. Else this look is over, and the next one is due when begin() said.
    std::optional<Found> on_history(const HistoryAnswer& answer);
    std::optional<Found> on_queue(const Queue& queue, const std::string& prompt_id);

  private:
    enum class Step { history, queue_first, queue, history_again, recent };

    Step step_ = Step::history;
    TimePoint at_;
    int unreadable_ = 0;  // looks one after the other that ended so
};

/// A prompt of our job that was found by its mark or by one of its ids.
struct OwnPrompt {
    int submission = 0;
    std::string prompt_id;
    Where where = Where::absent;
    Entry entry;  ///< of finished
};

/// Submissions of one job have numbers up to this; beyond it, it has failed too often to be tried again.
constexpr int highest_submission = 16;

/// The highest submission of ours among the newest of the history; `only`: no other than this one.
std::optional<OwnPrompt> find_recent(const Json& entries, const OwnMark& own, std::optional<int> only);

/// The same in the queue. `number_of`: the submission that an item is of; nullopt: none that is wanted.
template <class NumberOf>
std::optional<OwnPrompt> find_queued(const Queue& queue, const NumberOf& number_of) {
    std::optional<OwnPrompt> best;
    const auto look_at = [&](const QueueItem& item, Where where) {
        const std::optional<int> number = number_of(item);
        if (!number || *number > highest_submission || (best && *number <= best->submission)) return;
        best = OwnPrompt{*number, item.prompt_id, where, {}};
    };
    for (const QueueItem& item : queue.running)
        look_at(item, Where::running);
    for (const QueueItem& item : queue.pending)
        look_at(item, Where::pending);
    return best;
}

}  // namespace emprops::comfyui
