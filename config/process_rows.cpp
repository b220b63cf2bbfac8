// The rows of what concerns connectors and their services. A group of rows is one struct's; a service has some of the
// groups, with the same sentences.

#include "config/setting_rows.h"

namespace emprops::config {

using settings::Command;
using settings::joined;
using settings::of_base;
using settings::of_member;
using settings::row;
using settings::Rows;
using settings::Size;

namespace {

constexpr double MiBs = 1048576;

using S = SupervisionSettings;
using P = ProcessSettings;
using V = ServiceSettings;

Rows<P> start_rows(std::string sentence) {
    return {row(&P::start_timeout, "start_timeout", std::move(sentence)).within(0.1, day)};
}

Rows<StopLadder> stop_rows() {
    return {
        row(&StopLadder::term_grace, "stop_term", "SIGTERM to the process group, then this long."),
        row(&StopLadder::kill_grace, "stop_kill",
            "Last step of a stop: SIGKILL to the process group, then this long before it is reported as "
            "stuck."),
    };
}

Rows<RestartSettings> restart_rows() {
    using R = RestartSettings;
    return {
        row(&R::backoff_initial, "backoff_initial",
            "First delay before a restart; it doubles with each death.")
            .within(0.01, day),
        row(&R::backoff_max, "backoff_max", "Largest delay before a restart.").within(0.01, day),
        row(&R::breaker_deaths, "breaker_deaths",
            "This many deaths, hangs and restarts that were asked for within breaker_window open the "
            "breaker (job types withdrawn), of a service not those that a job is blamed for; 0: off.")
            .within(0, 1000),
        row(&R::breaker_window, "breaker_window", "See breaker_deaths.").within(1, 366 * day),
        row(&R::breaker_trial, "breaker_trial", "An open breaker lets one start be tried after this.")
            .within(1, 366 * day),
    };
}

Rows<RecycleSettings> recycle_rows() {
    using R = RecycleSettings;
    return {
        row(&R::max_rss, "max_rss", Size(),
            "Restart between jobs, but not before its first, when the process tree holds more memory "
            "than this; 0: off."),
        row(&R::max_jobs, "max_jobs", "Restart after this many jobs; 0: off."),
        row(&R::max_age, "max_age", "Restart, between jobs, after this long; 0: off."),
    };
}

Rows<RightsSettings> rights_rows() {
    using R = RightsSettings;
    return {
        row(&R::no_new_privs, "no_new_privs",
            "The process and its children gain no rights by setuid programs."),
        row(&R::user, "user", "Run as this user (needs root); empty: as the worker."),
        row(&R::env_pass, "env_pass", settings::VariablePatterns(),
            "Variables of the worker that the process gets as well, such as `CUDA_*`, or `.env` for all that stands in "
            "that file; never one that holds or may hold a secret of the worker, nor another connector's."),
    };
}

Rows<LaunchSettings> limit_rows() {
    using L = LaunchSettings;
    return {
        row(&L::nice, "nice", "Scheduling priority; unset: as the worker.").within(-20, 19),
        row(&L::cpu_affinity, "cpu_affinity", "CPU numbers it may run on; empty: all.").within(0, 1023),
        row(&L::oom_score_adj, "oom_score_adj",
            "Who dies first when memory runs out; unset: as the worker, but not below 0.")
            .within(-1000, 1000),
        row(&L::limit_address_space, "limit_address_space", Size(),
            "RLIMIT_AS; 0: as the worker. GPU libraries reserve far more than they use."),
        row(&L::limit_open_files, "limit_open_files", "RLIMIT_NOFILE; 0: as the worker."),
        row(&L::limit_core, "limit_core", Size(), "RLIMIT_CORE; 0: no core files."),
        row(&L::cgroup_memory_max, "cgroup_memory_max", Size(),
            "memory.max of a cgroup of its own, where cgroup v2 is delegated to the worker; 0: off."),
    };
}

Rows<OutputSettings> output_rows(std::string key, std::string sentence) {
    return {row(&OutputSettings::stderr_lines_per_second, std::move(key), std::move(sentence))
                .within(1, 1000000)
                .seldom()};
}

Rows<TalkSettings> talk_rows() {
    using T = TalkSettings;
    return {
        row(&T::ping_interval, "ping_interval",
            "How often a connector that declares `ping` is pinged; 0: never."),
        row(&T::ping_missed, "ping_missed", "Pings missed in a row that mean: hung.")
            .within(1, 1000)
            .seldom(),
        row(&T::prepare_timeout, "prepare_timeout",
            "From the start of a connector that sends `preparing` to its `ready`; between two of them start_timeout "
            "holds, and this is never less.")
            .within(0.1, 7 * day),
        row(&T::write_timeout, "write_timeout",
            "A connector that reads nothing from stdin for this long, while we write, is hung.")
            .within(0.1, day)
            .seldom(),
        row(&T::max_line_bytes, "max_line_bytes", Size(), "Longest line taken from a connector.")
            .within(4096, 1024 * MiBs)
            .seldom(),
    };
}

Rows<JobLimits> job_rows() {
    using J = JobLimits;
    return {
        row(&J::job_timeout, "job_timeout", "Limit of one job; 0: none."),
        row(&J::no_progress_timeout, "no_progress_timeout",
            "A job without a sign of progress for this long is hung; 0: no limit."),
        row(&J::cancel_timeout, "cancel_timeout",
            "A cancelled job that is not answered within this: the process is stopped.")
            .within(0.1, day),
        row(&J::resume_window, "resume_window",
            "How long a resumable job of a dead connector waits for the next process.")
            .seldom(),
        row(&J::released_jobs, "released_jobs",
            "So many jobs of a process may have given their slot back before their end (`released`): they are done but "
            "for their files.")
            .within(0, 1000)
            .seldom(),
        row(&J::poison_deaths, "poison_deaths",
            "A job that ended its connector or its service this many times is not run here again; 0: off.")
            .within(0, 1000),
    };
}

}  // namespace

Rows<S> supervision_rows() {
    return joined<S>({
        of_base<S>(start_rows("From the start of the process to its `ready`.")),
        of_base<S>(talk_rows()),
        of_base<S>(job_rows()),
        of_base<S>(of_member(
            &P::stop, Rows<StopLadder>{row(
                          &StopLadder::shutdown_grace, "stop_shutdown",
                          "First step of a stop: `drain`, `shutdown`, end of stdin, then this long.")})),
        of_base<S>(of_member(&P::stop, stop_rows())),
        of_base<S>(restart_rows()),
        of_base<S>(recycle_rows()),
        of_base<S>(rights_rows()),
        of_base<S>(limit_rows()),
        of_base<S>(output_rows(
            "stderr_lines_per_second",
            "More lines of stderr, prints on stdout and `log` messages than this are dropped and counted.")),
    });
}

Rows<ConnectorSettings> connector_rows() {
    using C = ConnectorSettings;
    return {
        row(&C::enabled, "enabled", "Load this connector; CONNECTORS, if set, decides instead."),
        row(&C::command, "command", Command(),
            "Program and arguments; empty: `emprops-connector-NAME` is searched."),
        row(&C::instances, "instances", "Number of processes; `{instance}` in `env` becomes 0, 1, ...")
            .within(1, 1024),
        row(&C::exclusive, "exclusive", "A restart stops the old process before it starts the new one."),
        row(&C::attach, "attach",
            "Do not start it: wait for it on a Unix socket (debugger), without time limits."),
        row(&C::job_types, "job_types", "Job types, instead of those it says itself."),
        row(&C::concurrency, "concurrency",
            "Jobs at a time in each process, instead of what it says itself; it is told (`hello`).")
            .within(1, 1000),
        row(&C::deliver, "deliver",
            "Stores for the files of its results, in the order in which they are tried; empty: [files] deliver."),
        row(&C::convert, "convert",
            "In which form its files are delivered; as [files.convert], and before it.")
            .without_variable(),
        row(&C::working_dir, "working_dir", "Working directory; empty: its scratch folder."),
        row(&C::settings, "settings", "Table that the connector gets in `hello.settings`.")
            .without_variable(),
        row(&C::env, "env",
            "Table of variables for the process, below `.env` and the environment in precedence.")
            .without_variable(),
    };
}

Rows<ServiceSettings> service_rows() {
    return joined<V>({
        {
            row(&V::command, "command", Command(),
                "Program and arguments of the companion process, one for each instance; `{instance}` and "
                "`{port}` are replaced; empty: none."),
            row(&V::env, "env",
                "Table of variables for it, with the same replacements; it gets none of the connector's.")
                .without_variable(),
            row(&V::working_dir, "working_dir",
                "Working directory; empty: the scratch folder of the connector's instance."),
            row(&V::port, "port",
                "Port of instance 0, the next ones follow (`{port}`; the connector gets "
                "EMPROPS_SERVICE_PORT, "
                "EMPROPS_SERVICE_URL and `{service_port}`); its owner is checked; 0: none.")
                .within(0, 65535),
            row(&V::health_url, "health_url",
                "Answers 2xx or 3xx while it works; unused without a port if it holds `{port}`; empty: "
                "alive is healthy."),
            row(&V::health_interval, "health_interval", "Pause between two questions.").within(0.05, day),
            row(&V::health_timeout, "health_timeout",
                "No answer for this long is a miss; Python is silent for seconds while models load.")
                .within(0.05, day),
            row(&V::health_missed, "health_missed",
                "Misses in a row that mean: hung. No job is given after the first one.")
                .within(1, 10000),
            row(&V::max_vram, "max_vram", Size(),
                "Restart between jobs, but not before its first, when its page shows more graphics memory in "
                "use (vram_figures); that is what everybody uses of the whole device; 0: off."),
            row(&V::vram_figures, "vram_figures",
                "Where health_url's answer has that memory, as JSON pointers (`*`: each element of a list): to "
                "the total and to what is free, or only to what is in use; empty: nowhere.")
                .seldom(),
        },
        of_member(&V::supervision, start_rows("From its start to the first healthy answer; it may load for "
                                              "minutes before it opens its port.")),
        of_member(&V::supervision, of_base<P>(recycle_rows())),
        of_member(&V::supervision, of_base<P>(limit_rows())),
        of_member(&V::supervision,
                  of_base<P>(output_rows(
                      "log_lines_per_second",
                      "More lines of its output than this are dropped from the log and counted."))),
    });
}

Rows<ServiceSettings> inherited_service_rows() {
    return joined<V>({
        of_member(&V::supervision, of_member(&P::stop, stop_rows())),
        of_member(&V::supervision, of_base<P>(restart_rows())),
        of_member(&V::supervision, of_base<P>(rights_rows())),
    });
}

}  // namespace emprops::config
