#pragma once
// What others see of us in Redis: one worker for each place, with its capabilities and a heartbeat that expires. Told
// completely with every beat, since a restart of Redis or of the API may have removed it. Pure; owned by the session.

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "supervisor/base/time.h"
#include "supervisor/redis/rules/end_texts.h"
#include "supervisor/redis/server.h"
#include "supervisor/redis/slots.h"

namespace emprops::redis {

struct PresencePolicy {
    Ms beat{15'000};
    int lifetime_s = 60;
};

class Presence {
  public:
    Presence(Server& server, const Slots& slots, Teller teller, const PresencePolicy& policy)
        : server_(server), slots_(slots), teller_(std::move(teller)), policy_(policy) {}

    /// What this machine and its connectors say of themselves, and what jobs may ask for (a document as the reference
    /// registers, without worker_id). Another one is told at once.
    void set_capabilities(ipc::Json capabilities);
    /// So many workers are to be seen; those with a job are, whatever this says.
    void set_places(std::size_t count);
    void connected(TimePoint now);
    void disconnected();
    /// All leave.
    void leave();

    std::optional<TimePoint> next_wakeup() const;
    void on_time(TimePoint now);
    /// All are told of again.
    void beat(TimePoint now);
    std::size_t seen() const { return seen_.size(); }

  private:
    void tell(const std::string& worker, bool is_new);
    void remove(const std::string& worker);
    std::set<std::string> wanted() const;

    Server& server_;
    const Slots& slots_;
    const Teller teller_;
    const PresencePolicy& policy_;
    ipc::Json capabilities_ = ipc::Json::object();
    std::size_t places_ = 1;
    std::set<std::string> seen_;  ///< told of on this connection
    std::string since_;
    bool connected_ = false;
    TimePoint beat_at_;
};

}  // namespace emprops::redis
