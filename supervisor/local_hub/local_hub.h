#pragma once
// The embedded hub: one object that listens, keeps its queue in SQLite and speaks the EmProps Redis Hub's
// worker, client, monitor and REST protocol. The glue between server.h (sockets), core.h (rules) and store.h
// (SQLite). Owned by whoever runs a hub (`hub`, `demo`, `run` with hub.embedded); event loop thread only.

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <memory>

#include "config/settings.h"
#include "ipc/result.h"

namespace emprops::local_hub {

/// Makes `hub` lead to the local hub of these settings, from the machine that it runs on.
void lead_to_local_hub(config::HubSettings& hub, const config::LocalHubSettings& settings,
                       std::uint16_t port);

class LocalHub {
  public:
    /// Opens the database, loads the queue and listens; serves as long as the executor's loop runs.
    /// `settings.database` must be set (the caller puts state_dir/hub.sqlite where it was left empty).
    /// Fails with "address_in_use", "listen_failed" or "database_failed"; the message says what to do.
    static Result<std::unique_ptr<LocalHub>> start(boost::asio::any_io_executor executor,
                                                   const config::LocalHubSettings& settings);
    ~LocalHub();  // as stop()

    /// The port it listens on: the configured one, or the free one that was found for 0.
    std::uint16_t port() const;

    /// Says goodbye to every connection (close 1012, as the Hub does at its end), stops listening and closes
    /// the database. Claimed jobs stay claimed: after the next start their workers have requeue_after to come
    /// back for them. Idempotent. The sockets end within a few turns of the loop, at most 2 s.
    void stop();

  private:
    struct Impl;
    explicit LocalHub(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace emprops::local_hub
