#pragma once
// What `status` shows of a configured instance and of its companion service. Plain values; no I/O.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ipc/figures.h"
#include "supervisor/process/types.h"

namespace emprops::process {

/// Counts over all processes of one supervised thing.
struct ProcessCounters {
    std::uint64_t starts = 0;
    std::uint64_t deaths = 0;         ///< ends that nobody had planned
    std::uint64_t lines = 0;          ///< of its output to people: a connector's stderr, all of a service's
    std::uint64_t lines_dropped = 0;  ///< of those, beyond the rate limit of the log
};

struct ConnectorCounters : ProcessCounters {
    std::uint64_t jobs_given = 0;
    std::uint64_t lines_received = 0;  ///< protocol lines
    std::uint64_t stray_lines = 0;     ///< stdout lines that are no messages
    std::uint64_t overlong_lines = 0;
    std::uint64_t protocol_errors = 0;
    std::uint64_t foreign_messages = 0;    ///< messages for jobs the instance does not hold
    std::uint64_t progress_coalesced = 0;  ///< progress replaced by a newer one before it was passed on
    std::uint64_t requests_dropped = 0;    ///< service_request and restart_service beyond their rate
};

struct ServiceCounters : ProcessCounters {
    std::uint64_t restarts_asked = 0;  ///< `restart_service` messages of the connector
    std::uint64_t recycles = 0;        ///< max_jobs, max_rss, max_vram, max_age
    std::uint64_t probes_missed = 0;
};

/// What is shown of any supervised thing.
struct ProcessStatus {
    State state = State::stopped;
    Ms in_state{0};
    int pid = 0;  ///< 0: none
    Ms uptime{0};
    std::uint64_t rss_bytes = 0;        ///< of the process tree
    std::optional<Ms> next_attempt_in;  ///< backoff, breaker_open, waiting
    std::optional<DeathReport> last_death;
    std::string why;  ///< the causal chain of this state; of a service it completes "its service ..."
};

struct ServiceStatus : ProcessStatus {
    bool usable = false;  ///< its instance may get jobs
    std::uint16_t port = 0;
    std::optional<std::uint64_t> vram_used;
    std::uint32_t missed = 0;  ///< questions in a row without a healthy answer
    ServiceCounters counters;
};

struct InstanceStatus : ProcessStatus {
    /// The word for its state: a process that is ready and may get no jobs now is "unavailable".
    const char* word() const {
        return state == State::ready && info && !info->available ? "unavailable" : to_string(state);
    }

    std::string connector;
    int index = 0;
    std::optional<InstanceId> id;      ///< the process that serves or starts
    std::optional<InstanceInfo> info;  ///< once ready
    std::vector<std::string> jobs;     ///< held by all its processes
    bool replacing = false;            ///< a new process starts beside the serving one
    int leaving = 0;                   ///< old processes that are still on their way out
    ConnectorCounters counters;
    ipc::Figures figures;                  ///< `metrics` of the process that serves or starts
    std::optional<ServiceStatus> service;  ///< its companion process, where one is configured
};

}  // namespace emprops::process
