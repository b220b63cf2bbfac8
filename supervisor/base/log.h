#pragma once
// Logging of the supervisor: one spdlog logger per component ("hub", "jobs", "process", "control", "config",
// "connector.NAME"), all writing through one sink to stderr (and a file). One record is one line, text or
// JSON, always valid and escaped, whatever a child printed. Event loop thread only.

#include <spdlog/logger.h>

#include <memory>
#include <string>
#include <string_view>

#include "config/settings.h"
#include "ipc/result.h"

namespace emprops {

/// Fields that a record carries beside its message; empty ones are left out. Set with LogContext.
struct LogFields {
    std::string connector;
    int pid = 0;
    std::string job_id;
};

/// Creates the sinks. Loggers fetched before keep working and follow. Fails when the log file cannot be
/// opened.
Result<> setup_logging(const config::LogSettings& settings);

/// Writes what is queued (for at most a second) and ends the writer thread; the next record starts it anew.
/// Call it before a fork that does not exec, and before the end of main.
void close_logging();

/// The logger of a component; created on first use with the component's level. Never null.
std::shared_ptr<spdlog::logger> logger(std::string_view component);

/// While it lives, records of this thread carry these fields. Objects nest.
class LogContext {
  public:
    explicit LogContext(LogFields fields);
    ~LogContext();
    LogContext(const LogContext&) = delete;
    LogContext& operator=(const LogContext&) = delete;

  private:
    LogFields previous_;
};

}  // namespace emprops
