#include "config/service_fields.h"

#include <algorithm>
#include <array>

#include "config/field_rows.h"

namespace emprops::config {

namespace {

constexpr std::array<std::string_view, 12> inherited_keys = {"stop_term",       "stop_kill",
                                                             "backoff_initial", "backoff_max",
                                                             "backoff_jitter",  "backoff_reset",
                                                             "breaker_deaths",  "breaker_window",
                                                             "breaker_trial",   "evidence_stderr_lines",
                                                             "no_new_privs",    "user"};

template <class T>
Row service(T ServiceSettings::*member, std::string_view key, Kind kind, std::string_view sentence) {
    Row result = row(service_table, key, kind, sentence);
    result.in_connector = [member](ConnectorSettings& connector) -> Slot {
        return &(connector.service.*member);
    };
    return result;
}

template <class T>
Row policy(T SupervisionSettings::*member, std::string_view key, Kind kind, std::string_view sentence) {
    Row result = row(service_table, key, kind, sentence);
    result.in_connector = [member](ConnectorSettings& connector) -> Slot {
        return &(connector.service.supervision.*member);
    };
    return result;
}

Row stop(Duration StopLadder::*member, std::string_view key, std::string_view sentence) {
    Row result = row(service_table, key, Kind::duration, sentence);
    result.in_connector = [member](ConnectorSettings& connector) -> Slot {
        return &(connector.service.supervision.stop.*member);
    };
    return result;
}

}  // namespace

std::vector<Field> service_fields() {
    using K = Kind;
    using V = ServiceSettings;
    using S = SupervisionSettings;
    return {
        service(&V::command, "command", K::words,
                "Program and arguments of the companion process, one for each instance; `{instance}` and "
                "`{port}` are replaced; empty: none."),
        service(&V::env, "env", K::variables,
                "Table of variables for it, with the same replacements; it gets none of the connector's."),
        service(&V::working_dir, "working_dir", K::path,
                "Working directory; empty: the scratch folder of the connector's instance."),
        service(
            &V::port, "port", K::integer,
            "Port of instance 0, the next ones follow (`{port}`; the connector gets EMPROPS_SERVICE_PORT, "
            "EMPROPS_SERVICE_URL and `{service_port}`); its owner is checked; 0: none.")
            .range(0, 65535),
        service(&V::health_url, "health_url", K::text,
                "Answers 2xx or 3xx while it works; unused without a port if it holds `{port}`; empty: alive "
                "is healthy."),
        service(&V::health_interval, "health_interval", K::duration, "Pause between two questions.")
            .range(0.05, day),
        service(&V::health_timeout, "health_timeout", K::duration,
                "No answer for this long is a miss; Python is silent for seconds while models load.")
            .range(0.05, day),
        service(&V::health_missed, "health_missed", K::integer,
                "Misses in a row that mean: hung. No job is given after the first one.")
            .range(1, 10000),
        policy(&S::start_timeout, "start_timeout", K::duration,
               "From its start to the first healthy answer; ComfyUI opens its port only after its nodes.")
            .range(0.1, day),
        service(&V::max_vram, "max_vram", K::bytes,
                "Restart between jobs, but not before its first, when ComfyUI's /system_stats shows more "
                "graphics "
                "memory in use; that is what everybody uses of the whole device; 0: off."),
        policy(&S::max_rss, "max_rss", K::bytes,
               "Restart between jobs, but not before its first, when the process tree holds more memory than "
               "this; 0: off."),
        policy(&S::max_jobs, "max_jobs", K::integer, "Restart after this many jobs; 0: off."),
        policy(&S::max_age, "max_age", K::duration, "Restart, between jobs, after this long; 0: off."),
        stop(&StopLadder::term_grace, "stop_term",
             "First step of a stop: SIGTERM to the process group, then this long; as the connector."),
        stop(&StopLadder::kill_grace, "stop_kill",
             "Second step: SIGKILL to the process group, then this long before it is reported as stuck; as "
             "the connector."),
        policy(&S::backoff_initial, "backoff_initial", K::duration,
               "First delay before a restart, doubling; as the connector.")
            .range(0.01, day),
        policy(&S::backoff_max, "backoff_max", K::duration,
               "Largest delay before a restart; as the connector.")
            .range(0.01, day),
        policy(&S::backoff_jitter, "backoff_jitter", K::number,
               "The delay varies by +- this fraction; as the connector.")
            .range(0, 1),
        policy(&S::backoff_reset, "backoff_reset", K::duration,
               "Once healthy for this long the delay starts anew; as the connector."),
        policy(&S::breaker_deaths, "breaker_deaths", K::integer,
               "This many deaths, hangs and asked restarts within breaker_window open the breaker (not those "
               "that a job is blamed for, see poison_deaths); as the connector.")
            .range(0, 1000),
        policy(&S::breaker_window, "breaker_window", K::duration, "See breaker_deaths; as the connector.")
            .range(1, 366 * day),
        policy(&S::breaker_trial, "breaker_trial", K::duration,
               "An open breaker lets one start be tried after this; as the connector.")
            .range(1, 366 * day),
        policy(&S::stderr_lines_per_second, "log_lines_per_second", K::integer,
               "More lines of its output than this are dropped from the log and counted.")
            .range(1, 1000000),
        policy(&S::evidence_stderr_lines, "evidence_stderr_lines", K::integer,
               "Last lines of its output kept for the report of a death; as the connector.")
            .range(0, 10000),
        policy(&S::no_new_privs, "no_new_privs", K::boolean,
               "It and its children gain no rights by setuid programs; as the connector."),
        policy(&S::user, "user", K::text, "Run as this user (needs root); as the connector."),
        policy(&S::nice, "nice", K::integer, "Scheduling priority, -20 to 19; unset: as the worker.")
            .range(-20, 19),
        policy(&S::cpu_affinity, "cpu_affinity", K::numbers, "CPU numbers it may run on; empty: all.")
            .range(0, 1023),
        policy(&S::oom_score_adj, "oom_score_adj", K::integer,
               "Who dies first when memory runs out, -1000 to 1000; unset: as the worker, but not below 0.")
            .range(-1000, 1000),
        policy(&S::limit_address_space, "limit_address_space", K::bytes,
               "RLIMIT_AS; 0: as the worker. GPU libraries reserve far more than they use."),
        policy(&S::limit_open_files, "limit_open_files", K::integer, "RLIMIT_NOFILE; 0: as the worker."),
        policy(&S::limit_core, "limit_core", K::bytes, "RLIMIT_CORE; 0: no core files."),
        policy(&S::cgroup_memory_max, "cgroup_memory_max", K::bytes,
               "memory.max of a cgroup of its own, where cgroup v2 is delegated to the worker; 0: off."),
    };
}

SupervisionSettings inherited_by_service(const SupervisionSettings& connector) {
    SupervisionSettings own = service_supervision();
    own.stop.term_grace = connector.stop.term_grace;
    own.stop.kill_grace = connector.stop.kill_grace;
    own.backoff_initial = connector.backoff_initial;
    own.backoff_max = connector.backoff_max;
    own.backoff_jitter = connector.backoff_jitter;
    own.backoff_reset = connector.backoff_reset;
    own.breaker_deaths = connector.breaker_deaths;
    own.breaker_window = connector.breaker_window;
    own.breaker_trial = connector.breaker_trial;
    own.evidence_stderr_lines = connector.evidence_stderr_lines;
    own.no_new_privs = connector.no_new_privs;
    own.user = connector.user;
    return own;
}

bool is_inherited(const Field& field) {
    return field.of_service() &&
           std::find(inherited_keys.begin(), inherited_keys.end(), field.key) != inherited_keys.end();
}

}  // namespace emprops::config
