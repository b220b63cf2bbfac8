#pragma once
// The worker's side of the Hub protocol as a pure machine: frames, connection events, outcomes and time go
// in, actions come out. It owns the machines that hold the conversation, each with a subject of its own
// (connection, presence, claims, assignments, questions), gives each what concerns it, and decides the order
// of a batch. It knows no socket, no clock, no disk, no connector.
//
// Use: call any inputs and perform take_actions(); when there is nothing more to put in, advance(now, room)
// with what could be taken at that moment, and perform take_actions() again. Outcomes given in one batch and
// the status that follows them leave in one batch of frames. Owner: HubLink. Event loop thread only. Nothing
// a Hub sends makes it fail.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/hub/chunk_assembly.h"
#include "ipc/messages.h"
#include "supervisor/base/time.h"
#include "supervisor/hub/actions.h"
#include "supervisor/hub/assignments.h"
#include "supervisor/hub/claims.h"
#include "supervisor/hub/connection.h"
#include "supervisor/hub/inquiry.h"
#include "supervisor/hub/intake.h"
#include "supervisor/hub/presence.h"
#include "supervisor/hub/session_settings.h"
#include "supervisor/hub/trouble.h"
#include "supervisor/hub/wire.h"
#include "supervisor/jobs/link_view.h"
#include "supervisor/jobs/types.h"

namespace emprops::hub {

class Session {
  public:
    Session(SessionSettings settings, Sources sources);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // ---- before start
    void adopt(TimePoint now, jobs::LedgerEntry entry) { assignments_.adopt(now, std::move(entry)); }
    /// Asks for the first connection.
    void start(TimePoint now) { connection_.start(now); }
    /// Leaves: all connections are closed, nothing is connected again. Outcomes not delivered stay in the
    /// ledger.
    void stop();

    // ---- from the worker connection
    void on_connected(TimePoint now);
    void on_frame(TimePoint now, std::string_view text);
    /// The connection ended or could not be made; `reason` is a sentence for a person.
    void on_disconnected(TimePoint now, const std::string& reason);

    // ---- from the client connection (OpenWatch)
    void on_watch_connected() { inquiry_.on_connected(); }
    void on_watch_frame(TimePoint now, std::string_view text) {
        inquiry_.on_frame(now, text, *room_.capacity);
    }
    void on_watch_disconnected(const std::string& reason) { inquiry_.on_disconnected(reason); }

    // ---- from the connection for large results (OpenBulk)
    void on_bulk_frame(TimePoint now, std::string_view text);
    void on_bulk_disconnected(TimePoint now, const std::string& reason);

    // ---- from time
    void on_time(TimePoint now);
    /// When on_time wants to be called next; never in the past of the last input. nullopt: not needed.
    std::optional<TimePoint> next_wakeup() const;

    /// We did not run for a while, but the Hub's clock did: every sign of life is due.
    void ran_again();

    // ---- from the worker
    /// The answer to PlaceWanted.
    void place(TimePoint now, const std::string& job_id, jobs::Place place) {
        intake_.on_place(now, job_id, place);
    }
    /// A job whose place was ahead has begun.
    void begun(const std::string& job_id, std::uint64_t number) {
        assignments_.running().begun(job_id, number);
    }
    /// The `capabilities` of register_worker, without supported_job_types: the fixed part merged with each
    /// connector's keys (merge_capabilities() of presence.h).
    void set_capabilities(TimePoint now, ipc::Json capabilities) {
        presence_.set_capabilities(now, std::move(capabilities));
    }
    /// State of a connector's outside service, for monitors. `connector` is the configured name.
    void set_connector_status(const std::string& connector, const ipc::Status& status) {
        presence_.set_connector_status(connector, status);
    }
    void forget_connector_status(const std::string& connector) {
        presence_.forget_connector_status(connector);
    }
    /// The newest of a turn is said by advance(), unless the job is completed in the same turn.
    void report_progress(const std::string& job_id, std::uint64_t number, const ipc::Progress& progress) {
        assignments_.running().report(job_id, number, progress);
    }
    void service_request(const ipc::ServiceRequest& request) { presence_.service_request(request); }
    /// The outcome of an assignment; it is durable already. Ends with Delivered or NotDelivered, sometime.
    void deliver(TimePoint now, jobs::Outcome outcome);
    /// The assignment ended here without anything to report: its keep-alives stop.
    void undelivered(const std::string& job_id, std::uint64_t number);
    /// The operator cancels a job: the Hub is told first (as a client), then JobCancelled follows; after 3 s
    /// also without the Hub's answer.
    void cancel(TimePoint now, const std::string& job_id, const std::string& reason) {
        inquiry_.cancel(now, job_id, reason);
    }
    /// The next connection has another token: one that was refused is not waited for any longer.
    void token_changed(TimePoint now) { connection_.token_changed(now); }

    // ---- out
    /// Decides what the Hub must be told, now that everything is known: the end of a batch.
    void advance(TimePoint now, jobs::Room room);
    /// What is to be done, in order; empties the list.
    Actions take_actions() { return wire_.take(); }
    jobs::LinkMetrics metrics(TimePoint now) const;
    jobs::LinkView view() const;
    /// Nothing runs here and no outcome waits.
    bool nothing_left() const { return assignments_.none(); }

  private:
    void handle(TimePoint now, HubFrame frame);
    void on_greeting(bool takes_back);
    void on_chunk(TimePoint now, Chunk chunk);
    void on_dropped(std::vector<std::string> sentences);
    void on_error(TimePoint now, const HubError& error);
    void on_trouble(TimePoint now, const HubError& error);
    bool holds(TimePoint now) const;
    /// A job has ended here, and its outcome has not come yet.
    bool ending() const { return room_.outcome_coming && !outcome_came_; }
    Announcer::Situation situation(TimePoint now) const;
    void talk(TimePoint now);

    SessionSettings settings_;
    Wire wire_;
    Connection connection_;
    Presence presence_;
    Claims claims_;
    Assignments assignments_;
    Intake intake_;
    Trouble trouble_;
    Inquiry inquiry_;
    ChunkAssembly assembly_;
    jobs::Room room_;  ///< of the last batch
    TimePoint last_batch_{};
    std::optional<bool> takes_back_;  ///< the Hub takes jobs that have not begun back; as told last
    bool outcome_came_ = false;  ///< in this batch: what it freed is told now, whatever else is on its way
};

}  // namespace emprops::hub
