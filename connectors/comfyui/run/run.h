#pragma once
// One job's way through ComfyUI as a state machine: what to ask ComfyUI next, and when the prompt is over,
// lost, stuck or withdrawn. No I/O, no clock: the shell does what next() says and tells the answer.
//
// The rules that it keeps, with the section that gives the reason:
// - WebSocket events are hints; queue and history are the truth (connectors/comfyui/API.md 6.8).
// - A prompt is lost if it is not in the history, not in the queue and again not in the history
//   (connectors/comfyui/API.md 6.9).
// - The end is read from the history, even when the events said success (connectors/comfyui/API.md 6.4).
// - A POST whose answer was lost or is a 500 may have been queued: look before sending again
//   (connectors/comfyui/API.md 4.5).
// - Events may come before the answer to the POST (connectors/comfyui/API.md 4.6).
// - An ExecutionBlocked message is no failure (connectors/comfyui/API.md 6.5).
// - Every wait has a limit.
// A prompt is known by its id, or by its mark (mark.h) where the server made an id of its own.
// What identifies an assignment: a resumed job whose earlier process noted the submission goes on with that
// one, and its failure is this job's failure. Without a note, an earlier success is taken, a failure is not.
// A POST that an earlier process may have begun is looked for like one whose answer was lost.
// A prompt that vanishes while it runs, as ComfyUI ends, took ComfyUI with it for all we know: after the
// second time the job is not sent any more.
//
// Owned by the thread that runs the job; events from the socket thread come to it through a mailbox.

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "connectors/comfyui/settings.h"
#include "connectors/comfyui/text/errors.h"
#include "connectors/comfyui/text/events.h"
#include "connectors/comfyui/text/mark.h"

namespace emprops::comfyui {

using TimePoint = std::chrono::steady_clock::time_point;

struct RunRules {
    Limits limits;
    Ms poll_interval{3'000};
    int max_resubmissions = 1;
    bool allow_partial = false;
    bool resume = false;             ///< an earlier process of ours had this job
    std::optional<int> resume_from;  ///< the submission that it noted before it sent it
    bool may_be_sent = true;         ///< of resume: that process may have begun to send a prompt
    int deaths_before = 0;           ///< of ComfyUI, while an earlier run of this job was the one that ran
    bool machine_is_sick = false;    ///< another job saw it die too, and none ended well since
    OwnMark mark;                    ///< an empty space: prompts are known by their ids only
};

// ---- answers of ComfyUI, as the shell reads them

/// No usable answer. `sent` false: the request cannot have arrived (connection refused). `gone`: nobody
/// is there (no address, no connection, one that ended without a word, or a proxy says so).
struct Unreachable {
    std::string what;
    bool sent = true;
    bool gone = false;
    bool refused = false;  ///< by us: trying again is of no use
};
struct AccessDenied {
    long status = 0;
};
struct ServerError {
    long status = 0;
    std::string text;
};  ///< 5xx, 413 and other unexpected answers
struct Accepted {
    std::string prompt_id;
    Json node_errors;
};
struct Refused {
    Json body;
};  ///< 400
using PostAnswer = std::variant<Accepted, Refused, ServerError, AccessDenied, Unreachable>;

struct NoEntry {};  ///< history: pending, running, deleted or unknown
struct Entry {
    Json entry;
    int not_finite = 0, too_deep = 0;  ///< values that could not be kept
};                                     ///< history: finished
using HistoryAnswer = std::variant<NoEntry, Entry, AccessDenied, Unreachable>;
struct Recent {
    Json entries;  ///< id -> entry
};
using RecentAnswer = std::variant<Recent, AccessDenied, Unreachable>;

struct QueueItem {
    std::string prompt_id;
    double number = 0;
    std::vector<std::string> outputs;  ///< output nodes that will run
    Json mark;                         ///< extra_data.emprops; null for other people's prompts
};
struct Queue {
    std::vector<QueueItem> running;
    std::vector<QueueItem> pending;  ///< in order of execution (ComfyUI itself gives heap order)
};
using QueueAnswer = std::variant<Queue, AccessDenied, Unreachable>;

/// "success" or "error" of a history entry; "success" where an old server says nothing.
std::string status_of(const Json& entry);
/// Whether a history entry is of a prompt that did all that it should: no other word than "success",
/// complete, and no error among its messages.
bool is_success(const Json& entry);

/// extra_data.emprops of a history entry; null for other people's prompts.
Json mark_of(const Json& entry);
/// The output nodes that ComfyUI accepted, from a history entry.
std::vector<std::string> outputs_of(const Json& entry);

/// Reads the body of GET /queue; pending sorted by (number, prompt_id).
Queue read_queue(const Json& body);

// ---- what to do next

struct SendPrompt {
    std::string prompt_id;
    int submission = 0;
};  ///< answer: on_post()
struct AskHistory {
    std::string prompt_id;
};                    ///< answer: on_history()
struct AskQueue {};   ///< answer: on_queue()
struct AskRecent {};  ///< the newest of the history, for ids that the server made; answer: on_recent()
struct DeletePending {
    std::string prompt_id;
};  ///< answer: on_done()
struct Interrupt {
    std::string prompt_id;
};                     ///< answer: on_done()
struct FreeMemory {};  ///< answer: on_done()
struct Reconnect {};   ///< the socket is up but deaf; no answer
struct RestartService {
    std::string reason;
    bool fault = false;   ///< it runs prompts, and each will fail; else: its worker thread seems to be dead
    std::string running;  ///< of a dead worker thread: the prompt that it is at; empty: none
};                        ///< ComfyUI's process must be restarted; no answer
/// Somebody else's prompt has been the running one for so long that no more jobs should come; no answer.
struct Blocked {
    std::string prompt_id;
    Json mark;
    TimePoint since;
};
struct Wait {
    TimePoint until;
};                 ///< for an event, at most so long
struct Finish {};  ///< see Run::outcome()
using Action = std::variant<SendPrompt, AskHistory, AskQueue, AskRecent, DeletePending, Interrupt, FreeMemory,
                            Reconnect, RestartService, Blocked, Wait, Finish>;

struct Timing {
    std::optional<Ms> queued, load, execute;
};

struct Outcome {
    enum class Kind { succeeded, refused, node_failed, failed, cancelled };
    Kind kind = Kind::failed;
    std::string prompt_id;
    Json outputs = Json::object();  ///< of succeeded; also what was saved before a node failed
    Json refusal;                   ///< of refused: the 400 body, or {"node_errors"} of a 200
    NodeError node_error;           ///< of node_failed
    Failure failure;                ///< of failed
    std::vector<std::string> cached_nodes;
    std::vector<std::string> notes;  ///< for people: blocked branches, resubmissions
    Timing timing;
    bool abandoned = false;             ///< the prompt may still be in ComfyUI: somebody must see it off
    std::vector<std::string> unwanted;  ///< of abandoned: its possible ids
    bool doubtful = false;              ///< of abandoned: ComfyUI did not show it yet, and may do so later
    bool maybe_old =
        false;              ///< of succeeded: files may be gone (an earlier process or assignment, the cache)
    bool earlier = false;   ///< of succeeded: made by an earlier assignment
    bool was_over = false;  ///< of succeeded: it had ended before it was looked at
    int deaths = 0;         ///< ComfyUI ended so many times while this job's prompt was the one that ran
};

class Run {
  public:
    /// `name` gives the prompt id of a submission number.
    Run(RunRules rules, const std::vector<Node>& nodes, std::function<std::string(int)> name, TimePoint now);

    Action next(TimePoint now);

    void on_post(const PostAnswer& answer, TimePoint now);
    void on_history(const HistoryAnswer& answer, TimePoint now);
    void on_queue(const QueueAnswer& answer, TimePoint now);
    void on_recent(const RecentAnswer& answer, TimePoint now);
    /// Deleting, interrupting and freeing answer with an empty 200, whatever they did; `ok` false: no answer.
    void on_done(bool ok, TimePoint now);
    void on_event(const Event& event, TimePoint now);
    void on_socket(bool up, TimePoint now);
    void cancel(TimePoint now);
    /// After a success: files that the history names are gone (a cached run names old files). True if the
    /// prompt is run once more, with the cache cleared.
    bool files_gone(TimePoint now);
    /// After a success: pictures that travel over the WebSocket did not all come. True if the prompt is run
    /// once more; the shell changes the graph so that the cache does not answer.
    bool pictures_missing(const std::string& why, TimePoint now);

    /// The id whose events concern this job now; register it before a SendPrompt is carried out.
    const std::string& prompt_id() const { return prompt_id_; }
    const Outcome& outcome() const { return outcome_; }
    int submission() const { return submission_; }
    /// The prompt of submission() is, or may be, in ComfyUI for this assignment: what a resume must know.
    bool attached() const { return attached_; }
    /// ComfyUI has begun the prompt of submission().
    bool begun() const { return started_ || running_since_.has_value(); }
    /// 0 running, n-th in the queue otherwise, -1 unknown; and the queue's length.
    int position() const { return position_; }
    int queue_length() const { return queue_length_; }
    const std::vector<std::string>& output_nodes() const { return output_nodes_; }

  private:
    enum class Phase { scan, lookup, post, doubt, follow, withdraw, free_memory, finished };
    enum class Where { finished, running, pending, absent };

    // run.cpp: asking and sending
    void begin_lookup(int submission, TimePoint now);
    void note(std::string text);
    void doubt(std::string what, TimePoint now);
    void not_there(TimePoint now);
    void attach(TimePoint now);
    void finish(Outcome::Kind kind);
    void fail(std::string code, std::string message, bool retryable, const char* error_class);
    Outcome failed_outcome(std::string code, std::string message, const char* error_class) const;
    // run_look.cpp: what the answers mean
    void look_problem(const std::variant<AccessDenied, Unreachable>& problem, TimePoint now);
    bool adopt(const Queue& queue, TimePoint now);
    void whole_look();
    void looked(Where where, const Json& entry, TimePoint now);
    void looked_before_sending(Where where, const Json& entry, TimePoint now);
    void looked_while_following(Where where, const Json& entry, TimePoint now);
    void scan_history(const HistoryAnswer& answer, TimePoint now);
    void scan_over(std::optional<int> failed, TimePoint now);
    void watch_head(const Queue& queue, TimePoint now);
    // run_end.cpp: the end of a prompt
    void lost(TimePoint now);
    void conclude(const Json& entry, TimePoint now);
    void conclude_success(Json outputs, TimePoint now);
    void take_entry(const Entry& entry);
    bool all_cached() const;
    void note_lost_answer();
    void node_failed(NodeError error, TimePoint now);
    void again_with_free_memory(const std::string& why, TimePoint now);
    // run_events.cpp: events and limits
    void settle(Ms delay, TimePoint now);
    Ms silence(TimePoint now) const;
    void sign(TimePoint now);
    void check_limits(TimePoint now);
    // run_withdraw.cpp
    void begin_withdraw(Outcome outcome, TimePoint now);
    void looked_while_withdrawing(Where where, const Json& entry, TimePoint now);
    void abandon();
    void end_withdraw();

    RunRules rules_;
    std::function<std::string(int)> name_;
    std::map<std::string, bool> loads_;                      // node id -> its class loads models
    std::map<std::string, std::vector<std::string>> nodes_;  // node id -> the nodes that it needs

    Phase phase_ = Phase::lookup;
    std::string prompt_id_;
    int submission_ = 0;
    bool noted_ = false;  // resume: the earlier process noted this submission
    int scan_ = 0;        // resume without a note: -2 queue, then submissions downwards, -1 recent history
    int resubmissions_ = 0;
    bool memory_freed_ = false;
    bool rerun_ = false;
    bool pictures_rerun_ = false;
    bool looked_for_earlier_ = false;  // resume: a POST of the earlier process was waited for
    bool of_earlier_ = false;          // the doubt is about that POST
    int post_tries_ = 0;
    int server_errors_ = 0;
    std::deque<Action> asides_;  // Reconnect, RestartService, Blocked

    int look_step_ = 0;  // 0 history, 1 queue, 2 history again, 3 recent history
    TimePoint look_at_;
    TimePoint post_at_;
    TimePoint began_;
    std::optional<TimePoint> sent_at_;
    std::optional<TimePoint> doubt_since_;
    bool answer_lost_ = false;  // of the POST that was taken
    bool doubtful_ = false;     // a POST of this submission may have been taken
    std::optional<TimePoint> unreachable_since_;
    bool was_gone_ = false;  // ComfyUI, or the socket to it, since this submission runs
    int others_ = 0;         // prompts beside ours in ComfyUI, when it was last looked at before it was gone
    int not_finite_ = 0, too_deep_ = 0;
    std::string last_problem_;
    std::optional<long> access_status_;

    int position_ = -1;
    int queue_length_ = 0;
    std::vector<std::string> output_nodes_;
    std::optional<TimePoint> pending_since_, idle_since_, running_since_;
    bool attached_ = false;
    std::string head_;  // somebody else's prompt that runs while ours waits
    Json head_mark_;
    std::optional<TimePoint> head_since_;

    bool socket_up_ = false;
    bool directed_ = true;  // the prompt's events go to our WebSocket
    TimePoint last_sign_;   // an event of this prompt, or its begin
    TimePoint up_since_;
    std::optional<TimePoint> down_since_;
    Ms down_{0};  // time without a socket since last_sign_
    Ms deaf_after_{60'000};
    bool started_ = false, executing_seen_ = false, success_seen_ = false, settling_ = false;
    Ms settle_delay_{0};
    TimePoint settling_since_;
    std::optional<NodeError> error_seen_;
    std::map<std::string, Json> event_outputs_;
    std::size_t event_bytes_ = 0;
    std::optional<TimePoint> started_at_, loading_since_;

    bool cancelled_ = false;
    enum class Step { remove, look, interrupt } withdraw_step_ = Step::remove;
    TimePoint withdraw_until_, interrupt_again_;
    bool suspicious_ = false;  // ComfyUI's worker thread may be dead
    Outcome after_withdraw_;

    Outcome outcome_;
};

}  // namespace emprops::comfyui
