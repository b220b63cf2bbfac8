#pragma once
// One job's way through ComfyUI as a state machine: what to ask ComfyUI next, and when the prompt is over,
// lost, stuck or withdrawn. No I/O, no clock: the shell does what next() says and tells the answer.
//
// A run joins its parts: an Arrival brings the prompt into ComfyUI, a Look finds where it is, a Judge says what
// comes of its end, Patience limits every wait, a Withdrawal takes it back. What belongs to one sending is its
// Submission. README.md in this folder has the rules that they keep.
//
// Owned by the thread that runs the job; events from the socket thread come to it through a mailbox.

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connectors/comfyui/run/actions.h"
#include "connectors/comfyui/run/answers.h"
#include "connectors/comfyui/run/arrival.h"
#include "connectors/comfyui/run/graph.h"
#include "connectors/comfyui/run/hearing.h"
#include "connectors/comfyui/run/judge.h"
#include "connectors/comfyui/run/look.h"
#include "connectors/comfyui/run/outcome.h"
#include "connectors/comfyui/run/patience.h"
#include "connectors/comfyui/run/reach.h"
#include "connectors/comfyui/run/rules.h"
#include "connectors/comfyui/run/submission.h"
#include "connectors/comfyui/run/withdrawal.h"

namespace emprops::comfyui {

class Run {
  public:
    /// `name` gives the prompt id of a submission number.
    Run(RunRules rules, const std::vector<Node>& nodes, Arrival::Names name, TimePoint now);

    Action next(TimePoint now);

    void on_post(const PostAnswer& answer, TimePoint now);
    void on_history(const HistoryAnswer& answer, TimePoint now);
    void on_queue(const QueueAnswer& answer, TimePoint now);
    void on_recent(const RecentAnswer& answer, TimePoint now);
    /// Deleting, interrupting and freeing answer with an empty 200, whatever they did; `ok` false: no answer.
    void on_done(bool ok, TimePoint now);
    void on_cancelled(CancelAnswer answer, TimePoint now);
    void on_event(const Event& event, TimePoint now);
    /// A sign of life of this prompt that is no event: the socket is not deaf, and it goes on.
    void on_sign(TimePoint now) { hearing_.event(now); }
    void on_socket(bool up, TimePoint now);
    void cancel(TimePoint now);
    /// After a success: files that the history names are gone (a cached run names old files). True if the
    /// prompt is run once more, with the cache cleared.
    bool files_gone(TimePoint now);
    /// files_gone() would send it again.
    bool may_make_files_again() const { return judge_.may_make_files_again(); }
    /// After a success: pictures that travel over the WebSocket did not all come. True if the prompt is run
    /// once more; the shell changes the graph so that the cache does not answer.
    bool pictures_missing(const std::string& why, TimePoint now);

    /// Something that people should know of the result.
    void note(std::string text) { outcome_.note(std::move(text)); }

    /// The id whose events concern this job now; register it before a SendPrompt is carried out.
    const std::string& prompt_id() const { return submission_.prompt_id; }
    const Outcome& outcome() const { return outcome_; }
    int submission() const { return submission_.number; }
    /// The prompt of submission() is, or may be, in ComfyUI for this assignment: what a resume must know.
    bool attached() const { return submission_.attached; }
    /// ComfyUI has begun the prompt of submission().
    bool begun() const { return submission_.begun(); }
    /// 0 running, n-th in the queue otherwise, -1 unknown; and the queue's length.
    int position() const { return submission_.place.position(); }
    int queue_length() const { return submission_.place.queue_length(); }
    const std::vector<std::string>& output_nodes() const { return submission_.place.outputs(); }
    /// Since when ComfyUI has not answered, and how; nullopt: it answers.
    const std::optional<TimePoint>& unanswered_since() const { return reach_.lost_at; }
    const std::string& problem() const { return reach_.problem; }

  private:
    enum class Phase { arrive, follow, withdraw, free_memory, finished };

    void carry_on(Arrival::Result result, TimePoint now);
    void follow(Arrival::Arrived arrived, TimePoint now);
    void no_answer(const NoAnswer& problem, TimePoint now);
    void found(const Found& found, TimePoint now);
    void found_while_following(const Found& found, TimePoint now);
    void found_while_withdrawing(const Found& found, TimePoint now);
    void settle(TimePoint now);
    void carry_out(Judge::Verdict verdict, TimePoint now);
    void run_again(Judge::Again again, TimePoint now);
    void check_limits(TimePoint now);
    Waits waits(TimePoint now) const;
    std::optional<TimePoint> silent_since(TimePoint now) const;
    void withdraw(Withdrawal::Reason reason, TimePoint now);
    void withdrawn();
    void abandon();
    void fail(Failure failure);
    void finish(Outcome::Kind kind);

    const RunRules rules_;
    const Arrival::Names name_;
    const Graph graph_;
    const Patience patience_;
    const TimePoint began_;

    Phase phase_ = Phase::arrive;
    Outcome outcome_;
    Reach reach_;
    Submission submission_;
    Arrival arrival_;
    Look look_;  // of follow and withdraw
    Hearing hearing_;
    Judge judge_;
    std::optional<Withdrawal> withdrawal_;
    std::optional<TimePoint> sent_at_;  // the first time
    bool cancelled_ = false;
    std::deque<Action> asides_;  // Reconnect, RestartService, Blocked
};

}  // namespace emprops::comfyui
