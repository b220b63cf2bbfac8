#pragma once
// Cancels of the operator: the Hub is told first, as by a client (fence.h), and the job is stopped here when
// the Hub shows it as ended, or after a while without that. Pure; owned by the session.

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/base/time.h"
#include "supervisor/hub/wire.h"

namespace emprops::hub {

class Cancels {
  public:
    /// `watch`: the Hub can be told. The wire must outlive the cancels.
    Cancels(bool watch, Wire& wire) : watch_(watch), wire_(wire) {}

    void add(TimePoint now, const std::string& job_id, const std::string& reason);
    bool empty() const { return cancels_.empty(); }
    /// Those that the Hub has not confirmed in time, with their reasons: to be stopped now, once.
    std::vector<std::pair<std::string, std::string>> unconfirmed(TimePoint now);
    /// Tells the Hub what it was not told on this client connection.
    void tell();
    /// What was told on it may be lost.
    void on_watch_ended();
    /// The Hub shows the job in this state. The cancel's reason if that confirms it: to be stopped now.
    std::optional<std::string> confirmed(const std::string& job_id, const std::string& state);
    std::optional<TimePoint> next_wakeup() const;

  private:
    struct Cancel {
        std::string reason;
        TimePoint since;
        bool sent = false;
        bool reported = false;  ///< it was stopped here; only the Hub has to be told
    };
    void forget_settled();

    bool watch_;
    Wire& wire_;
    std::map<std::string, Cancel> cancels_;  ///< by job id
};

}  // namespace emprops::hub
