#pragma once
// The worker: makes the fleet of connector processes, the ledger, the Hub link and the control API, joins them
// (job_flow.h), and knows in which order they start and end. It decides nothing about jobs or processes.
//
// Owned by the program's root (cli); event loop thread only. Nothing blocks but start().

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "config/load.h"
#include "ipc/result.h"
#include "supervisor/jobs/job_link.h"

namespace emprops {

struct WorkerOptions {
    config::Loaded loaded;          ///< the effective settings, checked
    config::LoadRequest request;    ///< how they were loaded, for reload
    std::filesystem::path bin_dir;  ///< where our executables are
    std::string version;            ///< of this program, for the Hub's monitors
    jobs::LinkFactory link;         ///< where jobs come from; not set: the Hub of the settings
};

class Worker {
  public:
    /// `on_end` is called once, when everything has ended, with the exit code of the process (exit_codes.h).
    Worker(boost::asio::io_context& loop, WorkerOptions options, std::function<void(int)> on_end);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Takes the lock of the state folder, loads the ledger, starts the connectors and connects to the Hub.
    /// Errors have the codes "locked" and "state_dir" (exit 75), "address_in_use" (69), "hub_url" and
    /// "socket" (78).
    Result<> start();

    /// First call: drain (the configured mode), then leave. Second: give running jobs back at once. Third:
    /// kill.
    void on_stop_signal(const std::string& name);
    /// SIGHUP.
    void on_reload_signal();

    /// Number of connector instances that are ready, for the demo's and the tests' greeting.
    int ready_instances() const;
    /// WebSocket address of the Hub in use, without the token.
    std::string hub_address() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

/// The exit code for an error of Worker::start().
int exit_code_for(const Error& error);

}  // namespace emprops
