#pragma once
// What the rest of the supervisor knows of a companion service. Plain values; no I/O.

#include <cstdint>
#include <optional>
#include <string>

#include "supervisor/process/types.h"

namespace emprops::process {

/// See service_lifecycle.h for the diagram.
enum class ServiceState {
    waiting,       ///< somebody else has its port
    starting,      ///< it runs and has not answered yet
    healthy,       ///< it answers: its instance may get jobs
    unhealthy,     ///< it runs and has missed at least one question
    stopping,      ///< it is being stopped, or will be when the running jobs have ended
    backoff,       ///< it died and waits to be started again
    breaker_open,  ///< it died too often; a trial now and then
    stopped,
    failed,  ///< exit code 78: not started until its settings change or an operator starts it
};
const char* to_string(ServiceState state);

/// Counts over all processes of one service.
struct ServiceCounters {
    std::uint64_t starts = 0;
    std::uint64_t deaths = 0;          ///< unplanned ends, hangs, restarts that the connector asked for
    std::uint64_t restarts_asked = 0;  ///< `restart_service` messages of the connector
    std::uint64_t recycles = 0;        ///< max_jobs, max_rss, max_vram, max_age
    std::uint64_t probes_missed = 0;
    std::uint64_t lines = 0;          ///< of its output
    std::uint64_t lines_dropped = 0;  ///< beyond the rate limit
};

/// One service as `status` shows it.
struct ServiceStatus {
    ServiceState state = ServiceState::stopped;
    bool usable = false;  ///< its instance may get jobs
    Ms in_state{0};
    int pid = 0;  ///< 0: none
    std::uint16_t port = 0;
    Ms uptime{0};
    std::uint64_t rss_bytes = 0;
    std::optional<std::uint64_t> vram_used;
    std::uint32_t missed = 0;  ///< questions in a row without a healthy answer
    std::optional<Ms> next_attempt_in;
    std::optional<DeathReport> last_death;
    std::string why;  ///< completes "its service ..."
    ServiceCounters counters;
};

}  // namespace emprops::process
