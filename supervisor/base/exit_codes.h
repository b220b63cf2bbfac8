#pragma once
// Exit codes of emprops-worker (sysexits values where one exists). A promise to scripts and to the systemd
// unit.

namespace emprops {

enum ExitCode : int {
    exit_ok = 0,            ///< stopped as asked; for `submit --wait` and `demo --once`: all jobs completed
    exit_job_failed = 1,    ///< `submit --wait`, `demo --once`: a job failed
    exit_usage = 64,        ///< wrong command line
    exit_unavailable = 69,  ///< the Hub refused us for good, or a port is in use
    exit_internal = 70,     ///< a defect of the worker
    exit_temporary = 75,    ///< locked by another worker; `submit`: no Hub, or no end of the job in time
    exit_config = 78,       ///< wrong configuration
};

}  // namespace emprops
