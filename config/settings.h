#pragma once
// Every setting of the worker: a field with its default, its unit in the type or name, and one sentence.
// These structs are the only form in which settings travel; config/load.h fills them from TOML, .env and the
// environment. Plain values without behaviour; copied freely; no threads.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace emprops::config {

/// TOML: "500ms", "10s", "5m", "1h", or a number = seconds.
using Duration = std::chrono::milliseconds;
/// TOML: "16MiB", "512KiB", "1GiB", "10MB", or a number = bytes.
using Bytes = std::uint64_t;

using namespace std::chrono_literals;

inline constexpr Bytes KiB = 1024;
inline constexpr Bytes MiB = 1024 * KiB;

/// A duration of zero means "off" where the sentence says so.
inline constexpr Duration off{0};

struct WorkerSettings {
    std::string id;         ///< first part of the id at the Hub; empty: host name. `-<8 hex>` is appended
    bool exact_id = false;  ///< send `id` to the Hub as it is (the Hub then refuses our failed jobs forever)
    std::filesystem::path
        state_dir;  ///< ledger, lock and control socket; empty: XDG state folder or /var/lib/emprops-worker
    Duration heartbeat_interval = 20s;    ///< 1 s..45 s; the Hub drops a worker after 60 s without one
    Duration drain_timeout = 300s;        ///< how long running jobs may go on after the first signal
    std::string drain_mode = "deadline";  ///< graceful (finish, no limit), deadline (finish within
                                          ///< drain_timeout, then give back), now (give back)
    std::string durability =
        "disk";  ///< disk (synced) or process (survives a kill of the worker, not a power cut)
    std::filesystem::path drain_notice_file;  ///< drain when this file appears (spot machines); empty: off
    std::string drain_notice_url;             ///< drain when this URL answers 200 (spot machines); empty: off
    Duration drain_notice_interval = 5s;      ///< how often the notice is looked for
};

struct HubSettings {
    std::string
        url;  ///< full WebSocket URL, used verbatim without the worker id; empty: built from host, port, tls
    std::string host = "localhost";            ///< used when url is empty
    std::optional<std::uint16_t> port;         ///< unset: no port in the URL, that is 80 or 443
    bool tls = false;                          ///< wss; changes the scheme only, never the port
    std::string token;                         ///< sent URL-encoded as ?token=; never logged
    std::filesystem::path token_file;          ///< read instead of `token`
    bool embedded = false;                     ///< run a local hub inside this worker and use it
    bool tls_verify = true;                    ///< verify the Hub's certificate and name
    std::filesystem::path ca_file;             ///< PEM of additional trusted authorities
    std::filesystem::path client_certificate;  ///< PEM chain shown to the Hub
    std::filesystem::path client_key;          ///< PEM key of client_certificate
    std::string proxy;               ///< http://host:port; empty: HTTPS_PROXY / HTTP_PROXY / NO_PROXY decide
    Duration connect_timeout = 30s;  ///< resolve, connect, TLS and WebSocket handshake together
    Duration idle_timeout =
        40s;  ///< half-open detection: pings are sent at half of it; no byte for this long = link lost
    Duration reconnect_min = 1s;   ///< first reconnect delay, doubling with full jitter
    Duration reconnect_max = 10s;  ///< largest reconnect delay
    Duration bad_token_retry =
        300s;  ///< retry interval after a refused token once this process had been connected
    Duration claim_timeout = 10s;  ///< a claim without an answer for this long is given up
    Duration keepalive_interval =
        10s;  ///< progress -1 per running job; the Hub gives a job away after 30 s of silence
    Duration refusal_memory = 60s;  ///< how long an offer of a job whose claim was refused is not answered
    bool cancel_watch = true;   ///< ask the Hub about running jobs over a client connection (cancel, fencing)
    Duration cancel_poll = 2s;  ///< how often each running job is asked for
    Bytes receive_limit = 64 * MiB;        ///< largest frame accepted from the Hub
    Bytes send_limit = 16 * MiB;           ///< largest frame the Hub takes
    Bytes max_assembly_bytes = 256 * MiB;  ///< memory for chunked messages that are not complete yet
    Duration assembly_timeout = 300s;      ///< an incomplete chunked message is dropped after this
};

struct LocalHubSettings {
    std::string listen = "127.0.0.1";  ///< address of the embedded hub
    std::uint16_t port = 8001;         ///< 0: any free port
    std::filesystem::path database;    ///< SQLite file; empty: state_dir/hub.sqlite
    std::string token;                 ///< WebSocket token; empty: none needed
    std::uint32_t max_attempts =
        4;  ///< a job fails for good at this attempt (first run + 3 retries, as the EmProps Hub)
    Duration requeue_after = 15s;  ///< a lost worker's jobs go back to the queue after this without progress
    Duration stale_claim_after = 30s;               ///< a claimed job without progress goes back to the queue
    Duration history = std::chrono::hours(24 * 7);  ///< finished jobs are forgotten after this
    Bytes max_message_bytes = 128 * MiB;            ///< largest message taken from a client or worker
};

struct LogSettings {
    std::string level = "info";   ///< trace, debug, info, warn, error
    std::string format = "text";  ///< text or json (one object per line)
    std::map<std::string, std::string>
        levels;                  ///< level per component: hub, jobs, process, control, config, connector.NAME
    std::filesystem::path file;  ///< also append to this file; empty: stderr only
};

/// One step of the stop ladder: what is done and how long the process may take to react before the next step.
struct StopLadder {
    Duration shutdown_grace = 10s;  ///< `drain`, `shutdown` and end of stdin, then this long
    Duration term_grace = 5s;       ///< SIGTERM to the process group, then this long
    Duration kill_grace =
        2s;  ///< SIGKILL to the process group, then this long before it is reported as stuck
    bool operator==(const StopLadder&) const = default;
};

/// Defaults for all connectors; each [connectors.NAME] may override any field.
struct SupervisionSettings {
    Duration start_timeout = 60s;          ///< from the spawn to `ready`
    Duration ping_interval = 10s;          ///< only if the connector declares `ping`; 0: off
    std::uint32_t ping_missed = 3;         ///< missed pings in a row = hung
    Duration write_timeout = 30s;          ///< no byte accepted on stdin for this long = hung
    Duration job_timeout = off;            ///< limit of one job; 0: off
    Duration no_progress_timeout = 30min;  ///< no progress of a job for this long = hung; 0: off
    Duration cancel_timeout = 10s;         ///< a cancelled job that is not answered within this: stop ladder
    Duration resume_window = 60s;  ///< how long a dead connector's resumable job waits for the next instance
    StopLadder stop;               ///< keys stop_shutdown, stop_term, stop_kill
    Duration backoff_initial = 500ms;  ///< first restart delay, doubling
    Duration backoff_max = 60s;        ///< largest restart delay
    double backoff_jitter = 0.2;       ///< +- this fraction
    Duration backoff_reset = 60s;      ///< ready for this long: the delay starts anew
    std::uint32_t breaker_deaths = 5;  ///< deaths within breaker_window that open the breaker; 0: off
    Duration breaker_window = 300s;    ///< see breaker_deaths
    Duration breaker_trial = 300s;     ///< an open breaker tries one start after this
    std::uint32_t poison_deaths = 2;  ///< a job that killed this many processes is not run again here; 0: off
    Bytes max_line_bytes =
        24 * MiB;  ///< longest line taken from a connector (the Hub takes results to 16 MiB)
    Bytes stdin_queue_bytes = 4 * MiB;  ///< what may wait for a connector's stdin (one message may exceed it)
    std::uint32_t stderr_lines_per_second = 200;  ///< more lines than this are dropped and counted
    std::uint32_t evidence_stderr_lines = 50;     ///< last stderr lines kept for a death report
    std::uint32_t evidence_messages = 20;         ///< last protocol messages kept for a death report
    Bytes max_rss = 0;                   ///< recycle between jobs when the process tree is larger; 0: off
    std::uint64_t max_jobs = 0;          ///< recycle after this many jobs; 0: off
    Duration max_age = off;              ///< recycle after this long; 0: off
    bool no_new_privs = true;            ///< PR_SET_NO_NEW_PRIVS in the child
    std::string user;                    ///< run as this user (needs root); empty: as we are
    std::optional<int> nice;             ///< scheduling priority
    std::vector<int> cpu_affinity;       ///< CPU numbers; empty: all
    std::optional<int> oom_score_adj;    ///< -1000..1000
    Bytes limit_address_space = 0;       ///< RLIMIT_AS; 0: as we are
    std::uint64_t limit_open_files = 0;  ///< RLIMIT_NOFILE; 0: as we are
    Bytes limit_core = 0;                ///< RLIMIT_CORE: 0 = no core files
    Bytes cgroup_memory_max =
        0;  ///< memory.max of a cgroup of its own where cgroup v2 is delegated to us; 0: off
    bool operator==(const SupervisionSettings&) const = default;
};

/// What a companion process has of SupervisionSettings before anything is configured: time to load its
/// plugins.
inline SupervisionSettings service_supervision() {
    SupervisionSettings settings;
    settings.start_timeout = 10min;
    settings.stop.shutdown_grace = off;  // it is told nothing before SIGTERM
    return settings;
}

/// [connectors.NAME.service]: a companion process of each instance of the connector, such as ComfyUI itself,
/// which is started, watched, restarted and stopped with it. In `command`, `env` and `health_url`
/// "{instance}" and "{port}" are replaced.
struct ServiceSettings {
    std::vector<std::string> command;        ///< argv; empty: no companion process
    std::map<std::string, std::string> env;  ///< its environment, without the base list
    std::filesystem::path working_dir;       ///< empty: the work_dir of the connector's instance
    std::uint16_t port = 0;                  ///< instance i listens on port + i; 0: it listens on none
    /// Answers 2xx or 3xx when it works; with "{port}" unused while port is 0; empty: alive is healthy.
    std::string health_url = "http://127.0.0.1:{port}/system_stats";
    Duration health_interval = 5s;     ///< pause between two questions
    Duration health_timeout = 20s;     ///< no answer for this long: one miss
    std::uint32_t health_missed = 12;  ///< misses in a row = hung: stop ladder and restart
    Bytes max_vram = 0;                ///< recycle between jobs when /system_stats shows more in use; 0: off
    /// start_timeout (to the first healthy answer), stop.term_grace, stop.kill_grace, backoff_*, breaker_*,
    /// stderr_lines_per_second, evidence_stderr_lines, max_rss, max_jobs, max_age, and what a child is
    /// started with. Which of them are taken over from the connector: config/service_fields.h.
    SupervisionSettings supervision = service_supervision();
    bool operator==(const ServiceSettings&) const = default;

    bool enabled() const { return !command.empty(); }
};

struct ControlSettings {
    bool enabled = true;           ///< the control socket
    std::filesystem::path socket;  ///< empty: state_dir/control.sock
};

/// [connectors.NAME]
struct ConnectorSettings {
    std::string name;
    bool enabled = true;               ///< used when CONNECTORS is unset
    std::vector<std::string> command;  ///< argv; empty: emprops-connector-NAME is searched
    std::uint32_t instances = 1;       ///< processes of this connector
    bool exclusive = false;            ///< two instances must never overlap: restart one after the other
    bool attach = false;  ///< do not start it: wait for it on a Unix socket (debugger); timeouts off
    std::vector<std::string> job_types;        ///< overrides what `ready` says; empty: `ready` decides
    std::optional<std::uint32_t> concurrency;  ///< overrides what `ready` says
    std::filesystem::path working_dir;         ///< empty: its work_dir
    nlohmann::json settings = nlohmann::json::object();  ///< sent in `hello.settings`
    std::map<std::string, std::string>
        env;  ///< the child's environment as configured ("{instance}" is replaced), without the base list
    SupervisionSettings supervision;  ///< [supervision] with this table's overrides
    ServiceSettings service;          ///< [connectors.NAME.service]
    bool operator==(const ConnectorSettings&) const = default;
};

struct Settings {
    WorkerSettings worker;
    HubSettings hub;
    LocalHubSettings local_hub;
    LogSettings log;
    SupervisionSettings supervision;
    ControlSettings control;
    std::vector<std::filesystem::path>
        connector_dirs;  ///< where emprops-connector-NAME is searched after our own folders
    std::vector<ConnectorSettings>
        connectors;  ///< the ones to load, in the order of CONNECTORS or of the file
};

}  // namespace emprops::config
