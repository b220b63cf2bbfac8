#include "config/fields.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "config/field_rows.h"
#include "config/service_fields.h"

namespace emprops::config {

namespace {

/// Makes the rows of one table of Settings.
template <class Table>
struct TableOf {
    std::string_view name;
    Table Settings::*table;

    template <class T>
    Row operator()(T Table::*member, std::string_view key, Kind kind, std::string_view sentence) const {
        Row result = row(name, key, kind, sentence);
        result.in_settings = [place = table, member](Settings& settings) -> Slot {
            return &(settings.*place.*member);
        };
        return result;
    }
};

constexpr TableOf<WorkerSettings> worker{"worker", &Settings::worker};
constexpr TableOf<HubSettings> hub{"hub", &Settings::hub};
constexpr TableOf<LocalHubSettings> local_hub{"local_hub", &Settings::local_hub};
constexpr TableOf<LogSettings> log{"log", &Settings::log};
constexpr TableOf<ControlSettings> control{"control", &Settings::control};

/// [supervision], and the same key in each [connectors.NAME].
template <class T>
Row supervision(T SupervisionSettings::*member, std::string_view key, Kind kind, std::string_view sentence) {
    Row result =
        TableOf<SupervisionSettings>{"supervision", &Settings::supervision}(member, key, kind, sentence);
    result.in_connector = [member](ConnectorSettings& connector) -> Slot {
        return &(connector.supervision.*member);
    };
    return result;
}
Row stop(Duration StopLadder::*member, std::string_view key, std::string_view sentence) {
    Row result = row("supervision", key, Kind::duration, sentence);
    result.in_settings = [member](Settings& settings) -> Slot {
        return &(settings.supervision.stop.*member);
    };
    result.in_connector = [member](ConnectorSettings& connector) -> Slot {
        return &(connector.supervision.stop.*member);
    };
    return result;
}
template <class T>
Row connector(T ConnectorSettings::*member, std::string_view key, Kind kind, std::string_view sentence) {
    Row result = row("connectors.NAME", key, kind, sentence);
    result.in_connector = [member](ConnectorSettings& settings) -> Slot { return &(settings.*member); };
    return result;
}
Row connector_dirs() {
    Row result = row("", "connector_dirs", Kind::paths,
                     "Folders in which `emprops-connector-NAME` is searched after the worker's own folders.");
    result.in_settings = [](Settings& settings) -> Slot { return &settings.connector_dirs; };
    return result;
}

std::vector<Field> make_fields() {
    using K = Kind;
    using W = WorkerSettings;
    using H = HubSettings;
    using L = LocalHubSettings;
    using S = SupervisionSettings;
    using C = ConnectorSettings;
    std::vector<Field> all{
        connector_dirs(),

        worker(
            &W::id, "id", K::text,
            "First part of the id at the Hub; empty: the host name. `-` and 8 hexadecimal digits are added, "
            "new for each process and connection.")
            .named({"WORKER_BASE_ID", "WORKER_ID"}),
        worker(
            &W::exact_id, "exact_id", K::boolean,
            "Send `id` to the Hub as it is. The Hub then refuses, for ever, each job that failed here last."),
        worker(&W::state_dir, "state_dir", K::path,
               "Job ledger, lock and control socket. Empty: `$XDG_STATE_HOME/emprops-worker`, "
               "`~/.local/state/emprops-worker`, or `/var/lib/emprops-worker` where that is ours to write."),
        worker(&W::heartbeat_interval, "heartbeat_interval", K::duration,
               "How often a heartbeat is sent, 1 s to 45 s; the Hub drops a worker after 60 s without one.")
            .also("HEARTBEAT_INTERVAL")
            .range(1, 45),
        worker(&W::drain_timeout, "drain_timeout", K::duration,
               "How long running jobs may go on after the first signal to stop."),
        worker(
            &W::drain_mode, "drain_mode", K::choice,
            "What a drain does with running jobs: `graceful` (finish, no limit), `deadline` (finish within "
            "drain_timeout, then give back), `now` (give back at once).")
            .one_of({"graceful", "deadline", "now"}),
        worker(&W::durability, "durability", K::choice,
               "`disk`: outcomes survive a power cut (synced); `process`: they survive a kill of the worker.")
            .one_of({"disk", "process"}),
        worker(&W::drain_notice_file, "drain_notice_file", K::path,
               "Drain when this file appears (spot machines); empty: off."),
        worker(&W::drain_notice_url, "drain_notice_url", K::text,
               "Drain when this URL answers 200 (spot machines); empty: off."),
        worker(&W::drain_notice_interval, "drain_notice_interval", K::duration,
               "How often the notice file or URL is looked for.")
            .range(0.1, day),

        hub(&H::url, "url", K::text,
            "Full WebSocket URL of the Hub, used as it is, without the worker's id. Empty: built from host, "
            "port "
            "and tls.")
            .also("REDIS_WS_URL")
            .with_token(),
        hub(&H::host, "host", K::text, "Host name or address of the Hub; used when `url` is empty.")
            .also("REDIS_API_HOST"),
        hub(&H::port, "port", K::integer,
            "Port of the Hub. Unset (or an empty variable): no port in the URL, that is 80, or 443 with tls.")
            .also("REDIS_API_PORT")
            .range(1, 65535),
        hub(&H::tls, "tls", K::boolean, "Connect with wss. Changes the scheme only, never the port.")
            .also("USE_SSL"),
        hub(&H::token, "token", K::text, "Secret that the Hub asks for, sent as `?token=`.")
            .also("WEBSOCKET_AUTH_TOKEN")
            .hidden(),
        hub(&H::token_file, "token_file", K::path,
            "File that holds the token (read at the start and on reload); for systemd credentials."),
        hub(&H::embedded, "embedded", K::boolean,
            "Run a local hub inside this worker, as [local_hub] says, and use it."),
        hub(&H::tls_verify, "tls_verify", K::boolean, "Verify the Hub's certificate and name."),
        hub(&H::ca_file, "ca_file", K::path,
            "PEM file of authorities that are trusted besides the system's."),
        hub(&H::client_certificate, "client_certificate", K::path, "PEM chain shown to the Hub."),
        hub(&H::client_key, "client_key", K::path, "PEM key of client_certificate."),
        hub(&H::proxy, "proxy", K::text,
            "HTTP proxy, `http://host:port`; empty: HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide.")
            .with_token(),
        hub(&H::connect_timeout, "connect_timeout", K::duration,
            "Limit of one attempt: name look-up, connection, TLS and WebSocket handshake together.")
            .range(0.1, day),
        hub(&H::idle_timeout, "idle_timeout", K::duration,
            "No byte from the Hub and none of ours taken by it for this long: the link is lost. Pings are "
            "sent at half of it.")
            .range(1, day),
        hub(&H::reconnect_min, "reconnect_min", K::duration,
            "First delay before a reconnect; it doubles each time, with jitter.")
            .range(0.01, day),
        hub(&H::reconnect_max, "reconnect_max", K::duration, "Largest delay before a reconnect.")
            .range(0.01, day),
        hub(&H::bad_token_retry, "bad_token_retry", K::duration,
            "Delay after a refused token once this process had been connected.")
            .range(1, day),
        hub(&H::claim_timeout, "claim_timeout", K::duration,
            "A claim that the Hub has not answered for this long is given up.")
            .range(0.1, day),
        hub(&H::keepalive_interval, "keepalive_interval", K::duration,
            "Progress of each running job at least this often, 1 s to 25 s; the Hub gives a job away after "
            "30 s "
            "of silence.")
            .range(1, 25),
        hub(&H::refusal_memory, "refusal_memory", K::duration,
            "How long the offer of a job whose claim was refused is not answered."),
        hub(&H::cancel_watch, "cancel_watch", K::boolean,
            "Ask the Hub, over a second connection, whether running jobs were cancelled or taken away."),
        hub(&H::cancel_poll, "cancel_poll", K::duration, "How often each running job is asked for.")
            .range(0.1, day),
        hub(&H::receive_limit, "receive_limit", K::bytes, "Largest frame taken from the Hub.")
            .range(65536, 4294967296.0),
        hub(&H::send_limit, "send_limit", K::bytes,
            "Largest frame sent to the Hub; the EmProps Hub takes 16 MiB. A larger result fails its job.")
            .range(65536, 4294967296.0),
        hub(&H::max_assembly_bytes, "max_assembly_bytes", K::bytes,
            "Memory for chunked messages that are not complete yet.")
            .range(65536, 68719476736.0),
        hub(&H::assembly_timeout, "assembly_timeout", K::duration,
            "An incomplete chunked message is dropped after this.")
            .range(1, day),

        local_hub(&L::listen, "listen", K::text, "Address on which the local hub listens."),
        local_hub(&L::port, "port", K::integer, "Port of the local hub; 0: any free one.").range(0, 65535),
        local_hub(&L::database, "database", K::path,
                  "SQLite file of its queue; empty: `hub.sqlite` in state_dir."),
        local_hub(&L::token, "token", K::text, "Token that workers and clients must show; empty: none.")
            .hidden(),
        local_hub(&L::max_attempts, "max_attempts", K::integer,
                  "A job fails for good at this attempt (first run and retries together).")
            .range(1, 1000),
        local_hub(&L::requeue_after, "requeue_after", K::duration,
                  "The jobs of a lost worker go back to the queue after this."),
        local_hub(&L::stale_claim_after, "stale_claim_after", K::duration,
                  "A claimed job without progress for this long goes back to the queue.")
            .range(1, 366 * day),
        local_hub(&L::history, "history", K::duration, "Finished jobs are forgotten after this."),
        local_hub(&L::max_message_bytes, "max_message_bytes", K::bytes,
                  "Largest message taken from a client or worker.")
            .range(65536, 4294967296.0),

        log(&LogSettings::level, "level", K::choice,
            "Least level that is logged. Python's names (DEBUG, WARNING, CRITICAL) are understood.")
            .also("LOG_LEVEL")
            .one_of({"trace", "debug", "info", "warn", "error"}),
        log(&LogSettings::format, "format", K::choice, "`text`, or `json`: one object per line.")
            .one_of({"text", "json"}),
        log(&LogSettings::levels, "levels", K::levels,
            "Level per component: hub, jobs, process, control, config, connector.NAME, service.NAME."),
        log(&LogSettings::file, "file", K::path, "Append to this file as well; empty: stderr only."),

        control(&ControlSettings::enabled, "enabled", K::boolean,
                "The control socket, which `status`, `restart`, `logs` and the like need."),
        control(&ControlSettings::socket, "socket", K::path,
                "Path of the control socket; empty: `control.sock` in state_dir."),

        supervision(&S::start_timeout, "start_timeout", K::duration,
                    "From the start of the process to its `ready`.")
            .range(0.1, day),
        supervision(&S::ping_interval, "ping_interval", K::duration,
                    "How often a connector that declares `ping` is pinged; 0: never."),
        supervision(&S::ping_missed, "ping_missed", K::integer, "Pings missed in a row that mean: hung.")
            .range(1, 1000),
        supervision(&S::write_timeout, "write_timeout", K::duration,
                    "A connector that reads nothing from stdin for this long, while we write, is hung.")
            .range(0.1, day),
        supervision(&S::job_timeout, "job_timeout", K::duration, "Limit of one job; 0: none."),
        supervision(&S::no_progress_timeout, "no_progress_timeout", K::duration,
                    "A job without a sign of progress for this long is hung; 0: no limit."),
        supervision(&S::cancel_timeout, "cancel_timeout", K::duration,
                    "A cancelled job that is not answered within this: the process is stopped.")
            .range(0.1, day),
        supervision(&S::resume_window, "resume_window", K::duration,
                    "How long a resumable job of a dead connector waits for the next process."),
        stop(&StopLadder::shutdown_grace, "stop_shutdown",
             "First step of a stop: `drain`, `shutdown`, end of stdin, then this long."),
        stop(&StopLadder::term_grace, "stop_term",
             "Second step: SIGTERM to the process group, then this long."),
        stop(&StopLadder::kill_grace, "stop_kill",
             "Last step: SIGKILL to the process group, then this long before it is reported as stuck."),
        supervision(&S::backoff_initial, "backoff_initial", K::duration,
                    "First delay before a restart; it doubles with each death.")
            .range(0.01, day),
        supervision(&S::backoff_max, "backoff_max", K::duration, "Largest delay before a restart.")
            .range(0.01, day),
        supervision(&S::backoff_jitter, "backoff_jitter", K::number, "The delay varies by +- this fraction.")
            .range(0, 1),
        supervision(&S::backoff_reset, "backoff_reset", K::duration,
                    "Once ready for this long the delay starts anew."),
        supervision(&S::breaker_deaths, "breaker_deaths", K::integer,
                    "This many deaths within breaker_window open the breaker (job types withdrawn); 0: off.")
            .range(0, 1000),
        supervision(&S::breaker_window, "breaker_window", K::duration, "See breaker_deaths.")
            .range(1, 366 * day),
        supervision(&S::breaker_trial, "breaker_trial", K::duration,
                    "An open breaker lets one start be tried after this.")
            .range(1, 366 * day),
        supervision(&S::poison_deaths, "poison_deaths", K::integer,
                    "A job that ended its connector or its service this many times is not run here again; "
                    "0: off.")
            .range(0, 1000),
        supervision(&S::max_line_bytes, "max_line_bytes", K::bytes, "Longest line taken from a connector.")
            .range(4096, 1073741824),
        supervision(&S::stdin_queue_bytes, "stdin_queue_bytes", K::bytes,
                    "What may wait for a connector's stdin; a single message may be larger.")
            .range(4096, 1073741824),
        supervision(&S::stderr_lines_per_second, "stderr_lines_per_second", K::integer,
                    "More stderr lines than this are dropped and counted.")
            .range(1, 1000000),
        supervision(&S::evidence_stderr_lines, "evidence_stderr_lines", K::integer,
                    "Last stderr lines kept for the report of a death.")
            .range(0, 10000),
        supervision(&S::evidence_messages, "evidence_messages", K::integer,
                    "Last protocol messages kept for the report of a death.")
            .range(0, 10000),
        supervision(
            &S::max_rss, "max_rss", K::bytes,
            "Restart between jobs, but not before its first, when the process tree holds more memory than "
            "this; 0: off."),
        supervision(&S::max_jobs, "max_jobs", K::integer, "Restart after this many jobs; 0: off."),
        supervision(&S::max_age, "max_age", K::duration, "Restart, between jobs, after this long; 0: off."),
        supervision(&S::no_new_privs, "no_new_privs", K::boolean,
                    "The child and its children gain no rights by setuid programs."),
        supervision(&S::user, "user", K::text, "Run as this user (needs root); empty: as the worker."),
        supervision(&S::nice, "nice", K::integer, "Scheduling priority, -20 to 19; unset: as the worker.")
            .range(-20, 19),
        supervision(&S::cpu_affinity, "cpu_affinity", K::numbers, "CPU numbers it may run on; empty: all.")
            .range(0, 1023),
        supervision(
            &S::oom_score_adj, "oom_score_adj", K::integer,
            "Who dies first when memory runs out, -1000 to 1000; unset: as the worker, but not below 0.")
            .range(-1000, 1000),
        supervision(&S::limit_address_space, "limit_address_space", K::bytes,
                    "RLIMIT_AS; 0: as the worker. GPU libraries reserve far more than they use."),
        supervision(&S::limit_open_files, "limit_open_files", K::integer, "RLIMIT_NOFILE; 0: as the worker."),
        supervision(&S::limit_core, "limit_core", K::bytes, "RLIMIT_CORE; 0: no core files."),
        supervision(&S::cgroup_memory_max, "cgroup_memory_max", K::bytes,
                    "memory.max of a cgroup of its own, where cgroup v2 is delegated to the worker; 0: off."),

        connector(&C::enabled, "enabled", K::boolean,
                  "Load this connector; CONNECTORS, if set, decides instead."),
        connector(&C::command, "command", K::words,
                  "Program and arguments; empty: `emprops-connector-NAME` is searched."),
        connector(&C::instances, "instances", K::integer,
                  "Number of processes; `{instance}` in `env` becomes 0, 1, ...")
            .range(1, 1024),
        connector(&C::exclusive, "exclusive", K::boolean,
                  "A restart stops the old process before it starts the new one."),
        connector(&C::attach, "attach", K::boolean,
                  "Do not start it: wait for it on a Unix socket (debugger), without time limits."),
        connector(&C::job_types, "job_types", K::names, "Job types, instead of those it says itself."),
        connector(&C::concurrency, "concurrency", K::integer,
                  "Jobs at a time in each process, instead of what it says itself; it is told (`hello`).")
            .range(1, 1000),
        connector(&C::working_dir, "working_dir", K::path, "Working directory; empty: its scratch folder."),
        connector(&C::settings, "settings", K::json, "Table that the connector gets in `hello.settings`."),
        connector(&C::env, "env", K::variables,
                  "Table of variables for the process, below `.env` and the environment in precedence."),
    };
    for (Field& field : service_fields())
        all.push_back(std::move(field));
    return all;
}

constexpr std::array<std::string_view, 3> connector_lists = {"EMPROPS_CONNECTORS", "WORKER_CONNECTORS",
                                                             "CONNECTORS"};

}  // namespace

std::string Field::full_key() const {
    return table.empty() ? std::string(key) : std::string(table) + "." + std::string(key);
}

std::string Field::connector_key() const {
    return of_service() ? "service." + std::string(key) : std::string(key);
}

std::string Field::variable() const {
    return "EMPROPS_" + upper_name(full_key());
}

std::vector<std::string> Field::variables() const {
    std::vector<std::string> names{variable()};
    names.insert(names.end(), legacy.begin(), legacy.end());
    return names;
}

std::span<const Field> fields() {
    static const std::vector<Field> table = make_fields();
    return table;
}

const Field* find_field(std::string_view table, std::string_view key) {
    for (const Field& field : fields()) {
        if (field.table == table && field.key == key) return &field;
    }
    return nullptr;
}

const Field* find_connector_field(std::string_view key) {
    for (const Field& field : fields()) {
        if (field.in_connector && !field.of_service() && field.key == key) return &field;
    }
    return nullptr;
}

const Field* find_service_field(std::string_view key) {
    return find_field(service_table, key);
}

std::vector<std::string> table_names() {
    std::vector<std::string> names;
    for (const Field& field : fields()) {
        if (field.table.empty() || !field.in_settings) continue;
        if (names.empty() || names.back() != field.table) names.emplace_back(field.table);
    }
    return names;
}

std::string upper_name(std::string_view name) {
    std::string result;
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        result += std::isalnum(byte) != 0 ? static_cast<char>(std::toupper(byte)) : '_';
    }
    return result;
}

std::span<const std::string_view> connector_list_variables() {
    return connector_lists;
}

bool is_worker_secret(std::string_view variable) {
    for (const Field& field : fields()) {
        if (!field.secret && !field.may_hold_token) continue;
        const std::vector<std::string> names = field.variables();
        if (std::find(names.begin(), names.end(), variable) != names.end()) return true;
    }
    return false;
}

}  // namespace emprops::config
