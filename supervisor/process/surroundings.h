#pragma once
// What all instances and services of a fleet share: the door to the OS, scratch folders, and the ways to be
// heard. Owned by the fleet; event loop thread only.

#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/process/child_environment.h"
#include "supervisor/process/news.h"
#include "supervisor/process/os/process_host.h"
#include "supervisor/process/work_dirs.h"

namespace emprops::process {

struct FleetOptions {
    std::string worker_id;                              ///< for `hello`
    std::string hub;                                    ///< likewise; without token and query
    std::filesystem::path state_dir;                    ///< scratch folders and attach sockets live below it
    std::filesystem::path bin_dir;                      ///< where our own executable is
    std::vector<std::filesystem::path> connector_dirs;  ///< searched after our own folders
    /// How long the running jobs of an instance that was asked to leave may go on before the stop ladder.
    Ms drain_timeout{300'000};
    /// Uniform in [0, 1): jitter of restart delays. Empty: a generator seeded by the system.
    std::function<double()> random;
};

struct Surroundings {
    Surroundings(boost::asio::any_io_executor executor_in, ProcessHost& host_in, FleetOptions options_in,
                 FleetListener& listener)
        : executor(std::move(executor_in)),
          host(host_in),
          options(std::move(options_in)),
          work_dirs(options.state_dir),
          environment(own_environment()),
          news(std::make_shared<News>(executor, listener)) {}

    boost::asio::any_io_executor executor;
    ProcessHost& host;
    FleetOptions options;
    WorkDirs work_dirs;
    std::vector<std::string> environment;  ///< ours, as NAME=VALUE
    std::shared_ptr<News> news;
    std::optional<ipc::FilesOffer> files;  ///< what `hello` says of them
    /// Something has happened to this instance, its processes or its service: its next_wakeup() and gone() may be
    /// others, and are looked at later in this turn. Those of an instance of which this is not said are not.
    std::function<void(const std::string& connector, int index)> changed;
    /// Kills escaped processes of an ended one, several times during the next second.
    std::function<void(const std::string& marker)> sweep_repeatedly;
    std::uint64_t last_generation = 0;
};

}  // namespace emprops::process
