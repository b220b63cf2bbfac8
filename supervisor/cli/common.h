#pragma once
// What several commands do alike: load the configuration, find our own folder, end on signals.

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "config/load.h"
#include "ipc/messages.h"
#include "supervisor/cli/commands.h"

namespace emprops::cli {

config::LoadRequest request_for(const Common& common);

/// Loads the configuration; prints every problem to stderr, of a command that uses little of it (`warnings`
/// false) only what is an error. nullopt: there were errors (exit with 78).
std::optional<config::Loaded> load_or_complain(const config::LoadRequest& request, bool warnings = true);

/// The folder of this executable: connectors lie beside it.
std::filesystem::path own_directory();

/// Prints "emprops-worker: <message>" to stderr, made safe for a terminal.
void complain(const std::string& message);

/// `json` for stdout: only plain ASCII when that is a terminal, on which texts of clients and connectors
/// could otherwise act. `indent` -1: on one line.
std::string json_text(const ipc::Json& json, int indent = -1);

/// The event loop of this process. It is never destroyed: a name look-up that hangs would hold up the end of
/// the process there (Asio waits for its resolver thread).
boost::asio::io_context& process_loop();

/// Calls `on_signal(name)` for each SIGINT and SIGTERM, and `on_reload` (may be empty) for SIGHUP, until
/// destroyed. SIGUSR1 and SIGUSR2, by which log rotations speak to other programs, end nothing.
class Signals {
  public:
    Signals(boost::asio::io_context& loop, std::function<void(const std::string&)> on_signal,
            std::function<void()> on_reload = {});
    ~Signals();

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace emprops::cli
