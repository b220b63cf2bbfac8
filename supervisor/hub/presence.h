#pragma once
// What the Hub and its monitors are told about this worker: the registration, idle or busy (announcer.h
// decides), heartbeats, the connectors and the state of their services. Pure; owned by the session.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/messages.h"
#include "supervisor/base/time.h"
#include "supervisor/hub/announcer.h"
#include "supervisor/hub/session_settings.h"
#include "supervisor/hub/wire.h"

namespace emprops::hub {

class Presence {
  public:
    using Situation = Announcer::Situation;

    /// Both must outlive the presence.
    Presence(const SessionSettings& settings, Wire& wire) : settings_(settings), wire_(wire) {}

    /// A new connection: the Hub knows nothing of us there.
    void on_connected(TimePoint now);
    /// For one that has not registered yet: does it if it is time. The first registration of all waits a moment
    /// for connectors that are starting with us. `running`: jobs that run here.
    void greet(TimePoint now, const Situation& situation, std::size_t running);
    bool greeted() const { return greeted_; }

    /// In this order, with the outcomes of the batch in between: withdraws what must not be offered any more,
    /// then says what else has changed.
    Announcement withdraw(TimePoint now, const Situation& situation);
    /// `takes_back`: see Situation; then the Hub is told how many offers it may make at once.
    void announce(const Announcement& announcement, bool takes_back = false, int offers_at_once = 1);
    /// At its time.
    void heartbeat(TimePoint now, const Situation& situation, std::size_t running);
    /// It is due now.
    void owe_heartbeat() { next_heartbeat_ = TimePoint{}; }
    void tell_connector_statuses(TimePoint now);

    /// The `capabilities` of register_worker, without supported_job_types. Sent with the next registration,
    /// which follows if they changed.
    void set_capabilities(TimePoint now, ipc::Json capabilities);
    /// Of a flood the newest is sent, once a second.
    void set_connector_status(const std::string& connector, const ipc::Status& status);
    void forget_connector_status(const std::string& connector) { statuses_.erase(connector); }
    /// What was sent to an outside service. Nothing is lost when it is not told.
    void service_request(const ipc::ServiceRequest& request);

    /// The Hub's idea of us is stale: it is told again, not before this.
    void owe_status(TimePoint not_before) { announcer_.owe_status(not_before); }
    /// There is no place for the offer of this job: the local hub is told with the status, which is owed now.
    void decline(TimePoint now, const std::string& job_id);
    /// The Hub answered a claim with "not idle": its idea of us and ours crossed. Owed once a second.
    void owe_status_after_crossing(TimePoint now);
    /// The Hub gives a job to idle workers only. A busy registration makes us idle there without an offer;
    /// the status owed afterwards puts it right.
    void seem_idle();
    bool told_idle() const { return announcer_.told_idle(); }
    const std::vector<std::string>& told_types() const { return announcer_.told_types(); }

    /// For one that is connected. `claim`: one is outstanding; `look_again`: when a crowded line is looked at.
    std::optional<TimePoint> next_wakeup(TimePoint look_again, bool welcomed, bool claim) const;

  private:
    struct ConnectorStatus {
        ipc::Status status;
        TimePoint sent_at{};
        bool owed = false;  ///< the Hub has not been told
        bool cut = false;   ///< the details were too large
    };
    void owe_connector_statuses();
    void register_as(const Announcement::Registration& registration);
    void beat(TimePoint now, const Situation& situation, std::size_t running);
    std::string full_status_frame(std::string_view status) const;

    const SessionSettings& settings_;
    Wire& wire_;
    Announcer announcer_;
    bool greeted_ = false;  ///< registered on this connection
    bool ever_greeted_ = false;
    TimePoint connected_at_{};
    TimePoint next_heartbeat_{};
    unsigned heartbeats_ = 0;
    int told_offers_at_once_ = 1;
    std::vector<std::string> declined_;  ///< offers, not told yet
    ipc::Json capabilities_ = ipc::Json::object();
    std::string capabilities_text_ = "{}";  ///< the same, as each registration has it
    std::string dropped_capabilities_;      ///< keys that are too large, for the note
    std::map<std::string, ConnectorStatus> statuses_;
};

/// The `capabilities` that the Hub's monitors know: those of the machine, then each connector's keys with the
/// prefix "<connector>_".
ipc::Json merge_capabilities(ipc::Json machine,
                             const std::vector<std::pair<std::string, ipc::Json>>& connectors);

}  // namespace emprops::hub
