#pragma once
// Every setting of the worker: a member with its default. What it means, and what may stand for it, is said once, in
// its row (setting_rows.h); a member without a row is a constant that a test of the machine it is for may turn. These
// structs are the only form in which settings travel; config/load.h fills them from TOML, .env and the environment.
// Plain values without behaviour; copied freely; no threads.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emprops::config {

using Duration = std::chrono::milliseconds;
using Bytes = std::uint64_t;

using namespace std::chrono_literals;

inline constexpr Bytes KiB = 1024;
inline constexpr Bytes MiB = 1024 * KiB;

/// The worker's own process that delivers files of results; no connector has its name.
inline constexpr const char* courier_name = "courier";

/// A duration of zero means "off" where the row says so.
inline constexpr Duration off{0};

struct WorkerSettings {
    std::string id;
    bool exact_id = false;
    std::filesystem::path state_dir;
    Duration heartbeat_interval = 20s;
    Duration drain_timeout = 300s;
    std::string drain_mode = "deadline";
    std::string durability = "disk";
    std::filesystem::path drain_notice_file;
    std::string drain_notice_url;
    Duration drain_notice_interval = 5s;
};

struct HubSettings {
    std::string url;
    std::string host = "localhost";
    std::optional<std::uint16_t> port;
    bool tls = false;
    std::string token;
    std::filesystem::path token_file;
    bool embedded = false;
    bool tls_verify = true;
    std::filesystem::path ca_file;
    std::filesystem::path client_certificate;
    std::filesystem::path client_key;
    std::string proxy;
    std::map<std::string, std::string> headers;
    std::filesystem::path headers_file;
    Duration connect_timeout = 30s;
    Duration idle_timeout = 40s;
    Duration reconnect_min = 1s;
    Duration reconnect_max = 10s;
    Duration keepalive_interval = 10s;
    Duration claim_ahead = 10s;
    bool cancel_watch = true;
    Duration cancel_poll = 2s;
    Bytes send_limit = 16 * MiB;

    Duration claim_timeout = 10s;          ///< a claim without an answer for this long is given up
    Bytes max_assembly_bytes = 256 * MiB;  ///< memory for chunked messages that are not complete yet
    static constexpr Duration assembly_timeout =
        300s;  ///< an incomplete chunked message is dropped after this
    static constexpr Duration bad_token_retry = 300s;  ///< after a refused token, once we had been connected
    static constexpr Bytes receive_limit =
        64 * MiB;                                    ///< largest frame taken; the EmProps Hub's are to 16 MiB
    static constexpr Duration refusal_memory = 60s;  ///< an offer of a job whose claim was refused: no answer
};

struct LocalHubSettings {
    std::string listen = "127.0.0.1";
    std::uint16_t port = 8001;
    std::filesystem::path database;
    std::string token;
    std::uint32_t max_attempts = 4;  // the first run and 3 retries, as the EmProps Hub
    Duration requeue_after = 15s;
    Bytes max_message_bytes = 128 * MiB;
};

struct LogSettings {
    std::string level = "info";
    std::string format = "text";
    std::map<std::string, std::string> levels;
    std::filesystem::path file;
};

// What there is to say about a process is in groups.

/// Whose rights a process has, and what it sees of our environment.
struct RightsSettings {
    bool no_new_privs = true;
    std::string user;
    std::vector<std::string>
        env_pass;  ///< patterns; what fits them is in `env` of connector and service already
    bool operator==(const RightsSettings&) const = default;
};

/// What a process is started with.
struct LaunchSettings : RightsSettings {
    std::optional<int> nice;
    std::vector<int> cpu_affinity;
    std::optional<int> oom_score_adj;
    Bytes limit_address_space = 0;
    std::uint64_t limit_open_files = 0;
    Bytes limit_core = 0;
    Bytes cgroup_memory_max = 0;
    bool operator==(const LaunchSettings&) const = default;
};

/// When a process that died is started again.
struct RestartSettings {
    Duration backoff_initial = 500ms;
    Duration backoff_max = 60s;
    double backoff_jitter = 0.2;                    ///< a delay varies by +- this fraction; no row
    static constexpr Duration backoff_reset = 60s;  ///< up for this long: the delay starts anew
    std::uint32_t breaker_deaths = 5;
    Duration breaker_window = 300s;
    Duration breaker_trial = 300s;
    bool operator==(const RestartSettings&) const = default;
};

/// When a process that works is replaced by a new one.
struct RecycleSettings {
    Bytes max_rss = 0;
    std::uint64_t max_jobs = 0;
    Duration max_age = off;
    bool operator==(const RecycleSettings&) const = default;
};

/// The steps of a stop: what is done and how long the process may take to react before the next one.
struct StopLadder {
    Duration shutdown_grace = 10s;
    Duration term_grace = 5s;
    Duration kill_grace = 2s;
    bool operator==(const StopLadder&) const = default;
};

/// What is kept of what a process prints.
struct OutputSettings {
    std::uint32_t stderr_lines_per_second = 200;
    static constexpr std::uint32_t evidence_stderr_lines = 50;  ///< last lines kept for a death report
    bool operator==(const OutputSettings&) const = default;
};

/// The conversation with a connector.
struct TalkSettings {
    Duration ping_interval = 10s;
    std::uint32_t ping_missed = 3;
    Duration prepare_timeout = 2h;
    Duration write_timeout = 30s;
    Bytes max_line_bytes = 24 * MiB;                        // the Hub takes results to 16 MiB
    static constexpr Bytes stdin_queue_bytes = 4 * MiB;     ///< may wait for stdin; one message may exceed it
    static constexpr std::uint32_t evidence_messages = 20;  ///< last messages kept for a death report
    bool operator==(const TalkSettings&) const = default;
};

/// What a job may take.
struct JobLimits {
    Duration job_timeout = off;
    Duration no_progress_timeout = 30min;
    Duration cancel_timeout = 10s;
    Duration resume_window = 60s;
    std::uint32_t poison_deaths = 2;
    std::uint32_t released_jobs = 2;
    bool operator==(const JobLimits&) const = default;
};

/// How any supervised process is run, a connector or a companion service.
struct ProcessSettings : LaunchSettings, RestartSettings, RecycleSettings, OutputSettings {
    Duration start_timeout = 60s;
    StopLadder stop;
    bool operator==(const ProcessSettings&) const = default;
};

/// Defaults for all connectors; each [connectors.NAME] may override any field.
struct SupervisionSettings : ProcessSettings, TalkSettings, JobLimits {
    bool operator==(const SupervisionSettings&) const = default;
};

/// How a companion service is run before anything is configured: it has time to load its plugins.
inline ProcessSettings service_supervision() {
    ProcessSettings settings;
    settings.start_timeout = 10min;
    settings.stop.shutdown_grace = off;  // it is told nothing before SIGTERM
    return settings;
}

/// [connectors.NAME.service]: a companion process of each instance of the connector, such as ComfyUI itself,
/// which is started, watched, restarted and stopped with it. In `command`, `env` and `health_url`
/// "{instance}" and "{port}" are replaced. The default page and the places of its figures are those of ComfyUI, the
/// service that configuration files of earlier versions mean when they name no page.
struct ServiceSettings {
    std::vector<std::string> command;
    std::map<std::string, std::string> env;
    std::filesystem::path working_dir;
    std::uint16_t port = 0;
    std::string health_url = "http://127.0.0.1:{port}/system_stats";
    Duration health_interval = 5s;
    Duration health_timeout = 20s;
    std::uint32_t health_missed = 12;
    Bytes max_vram = 0;
    std::vector<std::string> vram_figures = {"/devices/*/vram_total", "/devices/*/vram_free"};
    ProcessSettings supervision = service_supervision();
    bool operator==(const ServiceSettings&) const = default;

    bool enabled() const { return !command.empty(); }
};

/// What becomes of files that results name, and the processes that bring them away.
struct FilesSettings {
    std::vector<std::string> deliver = {"inline", "reference"};
    std::string reference_base_url;
    Duration deliver_timeout = 30min;
    Duration keep_undelivered = 24h;
    Bytes spool_max_bytes = 10240 * MiB;
    std::uint32_t spool_max_jobs = 64;
    Bytes min_free = 256 * MiB;
    std::uint32_t at_once = 4;
    nlohmann::json convert = nlohmann::json::object();
    nlohmann::json commands = nlohmann::json::object();
};

struct ControlSettings {
    bool enabled = true;
    std::filesystem::path socket;
};

/// [connectors.NAME]
struct ConnectorSettings {
    std::string name;
    bool enabled = true;
    std::vector<std::string> command;
    std::uint32_t instances = 1;
    bool exclusive = false;
    bool attach = false;
    std::vector<std::string> job_types;
    std::optional<std::uint32_t> concurrency;
    std::vector<std::string> deliver;
    nlohmann::json convert = nlohmann::json::object();
    std::filesystem::path working_dir;
    nlohmann::json settings = nlohmann::json::object();
    /// The child's environment as configured ("{instance}" is replaced), without the base list.
    std::map<std::string, std::string> env;
    SupervisionSettings supervision;  ///< [supervision] with this table's overrides
    ServiceSettings service;
    bool operator==(const ConnectorSettings&) const = default;
};

struct Settings {
    WorkerSettings worker;
    HubSettings hub;
    LocalHubSettings local_hub;
    LogSettings log;
    SupervisionSettings supervision;
    ControlSettings control;
    FilesSettings files;
    nlohmann::json stores = nlohmann::json::object();
    std::vector<std::filesystem::path> connector_dirs;
    std::vector<ConnectorSettings> connectors;  ///< those to load, in the order of CONNECTORS or of the file

    /// Null: none of this name is loaded.
    const ConnectorSettings* connector(std::string_view name) const {
        for (const ConnectorSettings& each : connectors)
            if (each.name == name) return &each;
        return nullptr;
    }
};

}  // namespace emprops::config
