#pragma once
// Who listens: clients, which hear of their jobs, and monitors, which hear of everything. Pure; owned by Core.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "ipc/hub/messages.h"
#include "supervisor/local_hub/policy.h"
#include "supervisor/local_hub/types.h"

namespace emprops::local_hub {

class Audience {
  public:
    explicit Audience(const Policy& policy) : policy_(policy) {}

    void add_client(ConnectionId connection, const std::string& id);
    void add_monitor(ConnectionId connection, const std::string& id);
    /// Of either kind; does nothing for others.
    void remove(ConnectionId connection);

    const std::string* client_id(ConnectionId connection) const;
    bool has_monitors() const { return !monitors_.empty(); }
    bool is_monitor(ConnectionId connection) const { return monitors_.contains(connection); }

    /// To the job's subscribers, to `also` (once) and, marked with the job's client, to all monitors.
    void publish(const Job& job, const std::set<std::string>& subscribers, const std::string& text,
                 Turn& turn, std::optional<ConnectionId> also = {}) const;
    /// To the monitors that want messages of this type; each is followed by the Hub's `ack`.
    void show(std::string_view type, const std::string& text, const std::string& message_id,
              Turn& turn) const;
    /// To all monitors, whatever they want: so does the Hub with some types.
    void show_to_all(const std::string& text, Turn& turn) const;
    void show_worker_status(const std::string& worker_id, const std::string& status, const Json& capabilities,
                            const Json& connector_statuses, Turn& turn) const;

    /// What a monitor says. `stats` is asked when it wants to know everything.
    using Stats = std::function<Json()>;
    void on_monitor(ConnectionId connection, std::string_view text, const Stats& stats, Turn& turn);
    void send_stats(ConnectionId connection, const Json& stats, Turn& turn) const;
    /// To all monitors, when it is time; `stats` is not asked before.
    void broadcast(const Stats& stats, Turn& turn);

    /// The `clients` and `monitors` of the statistics.
    Json client_ids() const;
    Json monitor_ids() const;

  private:
    struct Monitor {
        std::string id;
        std::set<std::string> channels;  ///< empty: everything
        bool wants(std::string_view type) const {
            return channels.empty() || channels.contains(std::string(type));
        }
    };

    const Policy& policy_;
    std::map<ConnectionId, std::string> clients_;
    std::map<std::string, std::set<ConnectionId>> clients_by_id_;
    std::map<ConnectionId, Monitor> monitors_;
    TimePoint last_stats_{};
    Json last_stats_content_;
};

}  // namespace emprops::local_hub
