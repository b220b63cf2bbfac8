#pragma once
// The session's inside, for its source files only: session.cpp (connections, heartbeats, the batch),
// session_claims.cpp (offers, claims, assignments), session_outbox.cpp (running jobs, outcomes, keep-alives),
// session_watch.cpp (the client connection: fencing, cancel), session_bulk.cpp (large results on a connection
// of their own), session_trouble.cpp (errors of the Hub), session_withheld.cpp (jobs that the Hub keeps from
// our id). State lives here, in one place.

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "ipc/hub/chunk_assembly.h"
#include "ipc/hub/frames.h"
#include "supervisor/hub/announcer.h"
#include "supervisor/hub/reconnect_policy.h"
#include "supervisor/hub/refusal_cache.h"
#include "supervisor/hub/session.h"
#include "supervisor/hub/withheld_jobs.h"

namespace emprops::hub {

/// How long an outcome waits for the answer to the question whether the Hub still wants it.
inline constexpr Ms ask_patience{250};

/// The claim that is outstanding. The Hub answers claims without an id of their own, so there is only one.
struct Claim {
    std::string job_id;
    std::string job_type;
    TimePoint offered_at;
    TimePoint last_sign;   ///< sent, or the last chunk of the answer
    bool readopt = false;  ///< the job runs here already: no slot was reserved for it
    bool bad = false;      ///< its offer could not be read, it is claimed to be failed: no slot either
};

struct RunningJob {
    std::string job_type;
    std::uint64_t number = 0;
    std::set<std::string> claimed_as;  ///< every id of ours that the Hub may know as its worker
    TimePoint assigned_at;
    TimePoint last_progress;  ///< last message to the Hub that keeps the job ours
    bool fenced = true;       ///< false: not known to be ours on this connection
    bool recovered = false;   ///< of an earlier process and not confirmed yet
    bool resumable = true;
    TimePoint unfenced_since;
    std::optional<ipc::Progress> held_progress;  ///< the newest that could not be sent yet
    double progress_tokens = 20;
    TimePoint tokens_at;
};

struct OutboxItem {
    /// `fencing`: not sent without an answer of the Hub. `asking`: the same, but not for long.
    enum class State { fencing, asking, ready, sent };
    jobs::Outcome outcome;
    std::string job_type;
    std::set<std::string> claimed_as;
    State state = State::fencing;
    bool sent_before = false;
    TimePoint queued_at;
    TimePoint since;            ///< when it came into this state; `sent`: when it was written
    bool written = false;       ///< `sent`: known to have left; until then `since` is when it last had not
    std::uint64_t ends_at = 0;  ///< `sent`: bytes given to the connection up to its end
    bool bulk = false;          ///< it is to leave, or has left, over the connection for large results
    Upload upload;
    TimePoint last_sign;              ///< last message to the Hub that keeps the job ours
    bool asked = false;               ///< `asking`: the question has left
    std::optional<TimePoint> ask_at;  ///< `sent`: the Hub had trouble; asked about it then

    bool completed() const { return std::holds_alternative<jobs::Completed>(outcome.value); }
    /// It waits for the connection for large results, or has been given to it: until the Hub has it that may
    /// take minutes, in which the job is kept alive and asked about as a running one.
    bool on_its_way() const { return bulk && (state == State::ready || state == State::sent); }
};

struct ConnectorStatus {
    ipc::Status status;
    TimePoint sent_at{};
    bool owed = false;  ///< the Hub has not been told
    bool cut = false;   ///< the details were too large
};

struct PendingCancel {
    std::string reason;
    TimePoint since;
    bool sent = false;
    bool reported = false;  ///< JobCancelled was given out; only the Hub has to be told
};

struct Session::Impl {
    Impl(SessionSettings settings_in, JobDesk& desk_in, Sources sources_in);

    // ---- session.cpp
    void connect_after(TimePoint now, Ms delay);
    void note(Note::Level level, std::string text);
    void send(std::string frame, bool urgent = false);
    /// Bytes of earlier batches that wait to be written.
    std::size_t backlog() const { return sources.queued_bytes ? sources.queued_bytes() : 0; }
    bool crowded() const { return backlog() > settings.crowded_bytes; }
    Stamp stamp() const { return {sources.wall_seconds(), worker_id}; }
    void welcome(TimePoint now);
    void handle(TimePoint now, HubFrame frame);
    void on_chunk(TimePoint now, Chunk chunk);
    void heartbeat(TimePoint now, const jobs::Capacity& capacity);
    bool greets_now(TimePoint now, const jobs::Capacity& capacity) const;
    void greet(TimePoint now, const jobs::Capacity& capacity);
    void say_status(const Announcement::Registration& registration);
    std::string full_status_frame(std::string_view status) const;
    void tell_connector_statuses(TimePoint now);
    Announcer::Situation situation(TimePoint now, const jobs::Capacity& capacity,
                                   std::shared_ptr<const jobs::Capacity> shared = {}) const;
    bool usable() const { return link == SessionView::Link::connected && welcomed; }

    // ---- session_claims.cpp
    void on_offer(TimePoint now, const Offer& offer);
    void claim_job(TimePoint now, const Offer& offer, bool readopt);
    void on_claim_failed(TimePoint now, const HubError& error);
    void on_claim_not_idle(TimePoint now, const HubError& error);
    void on_assigned(TimePoint now, Assignment assignment);
    void readopted(TimePoint now, const std::string& job_id, RunningJob& job);
    void refuse_assignment(TimePoint now, const std::string& job_id, const std::string& job_type,
                           const char* code, const std::string& why);
    std::string refused_for_ever() const;
    void drop_claim(TimePoint now);
    void check_claim(TimePoint now);
    void reclaim(TimePoint now, const std::string& job_id);
    void give_up_refused(TimePoint now, const std::string& job_id);

    // ---- session_outbox.cpp
    OutboxItem* find_outcome(const std::string& job_id);
    void settle(const std::string& job_id, const char* not_delivered_reason);  // nullptr: delivered
    void on_ack(const std::string& job_id);
    void on_failed_ack(TimePoint now, const std::string& job_id);
    void note_failure(TimePoint now, const OutboxItem& item);
    void release_asked(TimePoint now);
    void flush_ready(TimePoint now);
    std::string outcome_frame(OutboxItem& item);
    void say_completed(const OutboxItem& item);
    void take_away(TimePoint now, const std::string& job_id, const std::string& reason,
                   std::optional<std::string> cancelled);
    void confirm(TimePoint now, const std::string& job_id, RunningJob& job);
    void keep_alive(TimePoint now);
    void send_held_progress(TimePoint now, RunningJob& job);
    void fence_everything(TimePoint now);
    void release_unfenced(TimePoint now, Ms older_than);
    bool room_for_outcomes() const { return backlog() <= 2 * settings.hub.send_limit; }
    void watch_writing(TimePoint now);
    bool fence_pending() const;
    bool outcomes_ready() const;

    // ---- session_bulk.cpp
    std::size_t bulk_backlog() const { return sources.bulk_queued_bytes ? sources.bulk_queued_bytes() : 0; }
    OutboxItem* uploading();
    const OutboxItem* uploading() const { return const_cast<Impl*>(this)->uploading(); }
    bool bulk_wanted() const;
    BulkLane::Way way_of(TimePoint now, const OutboxItem& item) const;
    void flush_bulk(TimePoint now, OutboxItem& item);
    void steer_bulk(TimePoint now);
    bool stoppable(const OutboxItem& item) const;
    Ms ack_patience(const OutboxItem& item) const;
    void abort_upload(const OutboxItem& item);
    void bulk_refused(const std::string& why);
    void count_cut(TimePoint now, OutboxItem& item, std::size_t left, const std::string& reason);
    void count_cuts_of_first(TimePoint now, const std::string& reason);
    void close_bulk();
    std::optional<TimePoint> bulk_wakeup() const;
    // ---- session_trouble.cpp
    void on_error(TimePoint now, const HubError& error);
    void on_trouble(TimePoint now, const HubError& error);
    TimePoint pause_after_trouble(TimePoint now);

    // ---- session_withheld.cpp
    const WithheldJob* withheld_due(TimePoint now) const;
    void on_withheld_status(TimePoint now, const std::string& job_id, const std::string& verdict);
    bool withheld_idle() const;
    std::string withheld_text(const WithheldJob& job) const;

    // ---- session_watch.cpp
    bool watch_enabled() const { return settings.hub.cancel_watch && settings.watch_possible; }
    bool watch_wanted(TimePoint now) const;
    Ms watch_age() const;
    bool asks_first(TimePoint now, const RunningJob& job) const;
    void steer_watch(TimePoint now);
    void close_watch();
    void ask_about_jobs(TimePoint now);
    void on_job_status(TimePoint now, const JobStatus& status);
    void fence_outcome(TimePoint now, OutboxItem& item, const std::string& verdict,
                       const std::string& worker);
    void watch_running(TimePoint now, const std::string& job_id, const std::string& verdict, bool ours,
                       const JobStatus& status);
    void check_cancels(TimePoint now);
    std::optional<TimePoint> watch_wakeup() const;

    SessionSettings settings;
    JobDesk& desk;
    Sources sources;

    Actions out;
    SessionMetrics counters;

    SessionView::Link link = SessionView::Link::waiting;
    std::string worker_id;
    bool started = false;
    bool stopped = false;
    bool greeted = false;  ///< registered on this connection
    bool ever_greeted = false;
    bool welcomed = false;
    bool ever_welcomed = false;
    bool auth_refused = false;
    bool told_to_leave = false;
    std::string last_error;
    TimePoint connected_at{};
    TimePoint welcomed_at{};
    TimePoint last_batch{};
    TimePoint attempt_at{};
    ReconnectPolicy reconnects;
    int short_connections = 0;  ///< welcomed ones in a row that ended soon
    bool outcome_came = false;  ///< in this batch: what it freed is told now, whatever else is on its way
    bool renewing = false;      ///< the connection ends for a fresh id
    std::optional<TimePoint> renewed_at;
    TimePoint trouble_until{};  ///< the Hub could not do something: nothing is asked again before
    Ms trouble_pause{0};
    TimePoint trouble_told{};

    TimePoint next_heartbeat{};
    unsigned heartbeats = 0;
    Announcer announcer;
    ipc::Json capabilities = ipc::Json::object();
    std::string dropped_capabilities;  ///< keys that are too large, for the note
    std::map<std::string, ConnectorStatus> connector_statuses;
    std::uint64_t given_bytes = 0;      ///< of all frames of this connection, the running batch included
    std::uint64_t performed_bytes = 0;  ///< the same without the running batch

    std::optional<Claim> claim;
    std::optional<Offer> deferred_offer;  ///< came while a claim was outstanding
    TimePoint deferred_at{};
    RefusalCache refusals;
    WithheldJobs withheld;
    ChunkAssembly assembly;
    std::uint64_t next_number;

    std::map<std::string, RunningJob> running;
    std::deque<OutboxItem> outbox;
    std::vector<std::string> direct_failures;    ///< fail_job frames without a ledger entry
    std::map<std::uint64_t, std::string> taken;  ///< assignments taken from us: why their outcome is unwanted
    BulkLane bulk;
    std::map<std::string, PendingCancel> cancels;
    std::map<std::string, TimePoint> probes;  ///< jobs refused three times: pending or somebody else's?

    enum class Watch { closed, opening, open } watch = Watch::closed;
    bool watch_failed = false;  ///< `opening`: not the first attempt
    ReconnectPolicy watch_reconnects;
    TimePoint watch_needed_at{};
    struct Question {
        TimePoint at;
        bool answered = false;
        std::optional<TimePoint> again{};  ///< the Hub could not answer: asked again then
    };
    std::map<std::string, Question> questions;  ///< the last request_job_status per job
};

}  // namespace emprops::hub
