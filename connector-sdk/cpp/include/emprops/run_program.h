#pragma once
// Programs that a job starts. Call it on the job's thread: it returns when the program has ended.

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "emprops/connector.h"

namespace emprops {

struct ProgramOptions {
    std::string input{};  ///< for its stdin; empty: /dev/null
    std::string cwd{};    ///< Job::work_dir, mostly; empty: the connector's own
    std::optional<std::chrono::milliseconds> timeout{};  ///< nothing: no limit but the job's
    std::size_t max_output = std::size_t{1}
                             << 20;  ///< bytes that are kept of each of stdout and stderr, the newest
    bool check = true;               ///< an exit code other than 0 throws, with the last line on stderr
    /// Gets each line of stdout and stderr (ended by \n or \r) while it runs. What it throws ends the program.
    std::function<void(const std::string& line)> on_line{};
};

struct ProgramResult {
    int exit_code = 0;  ///< negative: the signal that ended it
    std::string out;    ///< the newest ProgramOptions::max_output bytes of stdout
    std::string err;
    bool truncated = false;
};

/// Runs `argv` (looked up in PATH) in a session and process group of its own, without the connector's stdin and stdout. A
/// cancel of the job and the time limit end the whole group (SIGTERM, SIGKILL after 2 s); what it leaves behind in its
/// group ends with it. Throws JobFailure: "internal" (not started, exit code), "timeout", "cancelled".
ProgramResult run_program(JobContext& context, const std::vector<std::string>& argv,
                          const ProgramOptions& options = {});

}  // namespace emprops
