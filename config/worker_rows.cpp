// The rows of what concerns the worker itself and the Hub.

#include "config/setting_rows.h"

namespace emprops::config {

using settings::LogLevel;
using settings::LogLevels;
using settings::one_of;
using settings::row;
using settings::Rows;
using settings::Size;

namespace {

constexpr double GiB = 1073741824;

}  // namespace

Rows<Settings> top_rows() {
    return {
        row(&Settings::connector_dirs, "connector_dirs",
            "Folders in which `emprops-connector-NAME`, else a connector of the Python worker, "
            "`NAME_connector.py`, is searched after the worker's own folders."),
        row(&Settings::stores, "stores",
            "Tables [stores.NAME], each a place to which files of results can be delivered; what may stand in "
            "one: connectors/stores/README.md. Beside them `put_allow`, a list of servers to which jobs may send their "
            "files by URLs of their own: `bucket.s3.amazonaws.com`, `*.example.com`, `http://10.0.0.5:9000`; without it "
            "none.")
            .without_variable()};
}

Rows<WorkerSettings> worker_rows() {
    using W = WorkerSettings;
    return {
        row(&W::id, "id",
            "First part of the id at the Hub; empty: the host name. `-` and 8 hexadecimal digits are "
            "added, new for each process and connection.")
            .named({"WORKER_BASE_ID", "WORKER_ID"}),
        row(&W::exact_id, "exact_id",
            "Send `id` to the Hub as it is. The Hub then refuses for good each job that failed here last."),
        row(&W::state_dir, "state_dir",
            "Job ledger, lock and control socket. Empty: `$XDG_STATE_HOME/emprops-worker`, "
            "`$STATE_DIRECTORY` (systemd), "
            "`~/.local/state/emprops-worker`, or `/var/lib/emprops-worker` where only that has a state already."),
        row(&W::heartbeat_interval, "heartbeat_interval",
            "How often a heartbeat is sent; the Hub drops a worker after 60 s without one, so more than 45 s are "
            "taken as 45 s.")
            .also("HEARTBEAT_INTERVAL")
            .at_least(1),
        row(&W::drain_timeout, "drain_timeout",
            "How long running jobs may go on after the first signal to stop."),
        row(&W::drain_mode, "drain_mode", one_of({"graceful", "deadline", "now"}),
            "What a drain does with running jobs: `graceful` (finish, no limit), `deadline` (finish within "
            "drain_timeout, then give back), `now` (give back at once)."),
        row(&W::durability, "durability", one_of({"disk", "process"}),
            "What the job ledger survives, a kill of the worker in any case. `disk`: also a power cut, which loses no "
            "more than the last 20 ms (a job may run twice then, and is never reported twice); `process`: no "
            "power cut. Of the embedded hub, a power cut can cost the last moments (its database)."),
        row(&W::drain_notice_file, "drain_notice_file",
            "Drain when this file appears (spot machines); empty: off."),
        row(&W::drain_notice_url, "drain_notice_url",
            "Drain when this URL answers 200 (spot machines); empty: off."),
        row(&W::drain_notice_interval, "drain_notice_interval",
            "How often the notice file or URL is looked for.")
            .within(0.1, day)
            .seldom(),
    };
}

Rows<HubSettings> hub_rows() {
    using H = HubSettings;
    return {
        row(&H::url, "url",
            "Full WebSocket URL of the Hub, used as it is, without the worker's id; or "
            "redis://[user[:password]@]host[:port][/database] (rediss:// for TLS): a queue in Redis. Empty: built "
            "from host, port and tls.")
            .also("REDIS_WS_URL")
            .with_token(),
        row(&H::host, "host", "Host name or address of the Hub; used when `url` is empty.")
            .also("REDIS_API_HOST"),
        row(&H::port, "port",
            "Port of the Hub. Unset (or an empty variable): no port in the URL, that is 80, or 443 with tls.")
            .also("REDIS_API_PORT")
            .within(1, 65535),
        row(&H::tls, "tls", "Connect with wss. Changes the scheme only, never the port.").also("USE_SSL"),
        row(&H::token, "token",
            "Secret that the Hub asks for, sent as `?token=`; at Redis the password, if the URL has none.")
            .also("WEBSOCKET_AUTH_TOKEN")
            .hidden(),
        row(&H::token_file, "token_file",
            "File that holds the token (read at the start and on reload); for systemd credentials."),
        row(&H::embedded, "embedded", "Run a local hub inside this worker, as [local_hub] says, and use it."),
        row(&H::tls_verify, "tls_verify", "Verify the Hub's certificate and name."),
        row(&H::ca_file, "ca_file", "PEM file of authorities that are trusted besides the system's."),
        row(&H::client_certificate, "client_certificate", "PEM chain shown to the Hub."),
        row(&H::client_key, "client_key", "PEM key of client_certificate."),
        row(&H::proxy, "proxy",
            "HTTP proxy, `http://host:port`; empty: HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide.")
            .with_token(),
        row(&H::headers, "headers", settings::Headers(),
            "Sent with every connection to the Hub, for a gateway in front of it; a table, in a variable its JSON or "
            "lines `Name: value`.")
            .hidden(),
        row(&H::headers_file, "headers_file", "File with such lines or such JSON; `headers` joins and wins."),
        row(&H::connect_timeout, "connect_timeout",
            "Limit of one attempt: name look-up, connection, TLS and WebSocket handshake together.")
            .within(0.1, day),
        row(&H::idle_timeout, "idle_timeout",
            "No byte from the Hub and none of ours taken by it for this long: the link is lost. Pings "
            "are sent at half of it.")
            .within(1, day),
        row(&H::reconnect_min, "reconnect_min",
            "First delay before a reconnect; it doubles each time, with jitter.")
            .within(0.01, day)
            .seldom(),
        row(&H::reconnect_max, "reconnect_max", "Largest delay before a reconnect.")
            .within(0.01, day)
            .seldom(),
        row(&H::keepalive_interval, "keepalive_interval",
            "Progress of each running job at least this often; the Hub gives a job away after 30 s of "
            "silence.")
            .within(1, 25)
            .seldom(),
        row(&H::claim_ahead, "claim_ahead",
            "A connector that can prepare jobs gets its next one when the running one will probably end within this, "
            "by its progress; from the local hub at any time, since that one takes it back for nothing. 0: never.")
            .within(0, day)
            .seldom(),
        row(&H::cancel_watch, "cancel_watch",
            "Ask the Hub, over a second connection, whether running jobs were cancelled or taken away."),
        row(&H::cancel_poll, "cancel_poll", "How often each running job is asked for.")
            .within(0.1, day)
            .seldom(),
        row(&H::send_limit, "send_limit", Size(),
            "Largest frame sent to the Hub; the EmProps Hub takes 16 MiB. A larger result fails its job.")
            .within(65536, 4 * GiB)
            .seldom(),
    };
}

Rows<LocalHubSettings> local_hub_rows() {
    using L = LocalHubSettings;
    return {
        row(&L::listen, "listen", "Address on which the local hub listens."),
        row(&L::port, "port", "Port of the local hub; 0: any free one.").within(0, 65535),
        row(&L::database, "database", "SQLite file of its queue; empty: `hub.sqlite` in state_dir."),
        row(&L::token, "token", "Token that workers and clients must show; empty: none.").hidden(),
        row(&L::max_attempts, "max_attempts",
            "A job fails for good at this attempt (first run and retries together).")
            .within(1, 1000),
        row(&L::requeue_after, "requeue_after", "The jobs of a lost worker go back to the queue after this.")
            .seldom(),
        row(&L::max_message_bytes, "max_message_bytes", Size(),
            "Largest message taken from a client or worker.")
            .within(65536, 4 * GiB)
            .seldom(),
    };
}

Rows<LogSettings> log_rows() {
    using L = LogSettings;
    return {
        row(&L::level, "level", LogLevel(),
            "Least level that is logged. Python's names (DEBUG, WARNING, CRITICAL) are understood.")
            .also("LOG_LEVEL"),
        row(&L::format, "format", one_of({"text", "json"}), "`text`, or `json`: one object per line."),
        row(&L::levels, "levels", LogLevels(),
            "Level per component: hub, jobs, process, control, config, connector.NAME, service.NAME."),
        row(&L::file, "file", "Append to this file as well; empty: stderr only."),
    };
}

Rows<FilesSettings> files_rows() {
    using F = FilesSettings;
    return {
        row(&F::deliver, "deliver",
            "Stores for the files of results, in the order in which they are tried: names of [stores.NAME], `inline` (in "
            "the result itself, where it fits), `reference` (a link to where the service serves it)."),
        row(&F::reference_base_url, "reference_base_url",
            "What clients put in place of `http://HOST:PORT` to open links of `reference`; empty: such a link is only "
            "given out while the Hub is on this machine."),
        row(&F::deliver_timeout, "deliver_timeout", "How long one file is tried before its job fails.")
            .within(1, 7 * day),
        row(&F::keep_undelivered, "keep_undelivered",
            "How long files are kept that no store took, in `spool` in state_dir.")
            .seldom(),
        row(&F::spool_max_bytes, "spool_max_bytes", Size(),
            "With more bytes of files on their way the jobs that bring further ones keep their slots.")
            .within(65536, 1024 * 1024 * GiB)
            .seldom(),
        row(&F::spool_max_jobs, "spool_max_jobs", "Likewise with the files of so many jobs.")
            .within(1, 10000)
            .seldom(),
        row(&F::min_free, "min_free", Size(),
            "With less room on the disks of spool and scratch folders (state_dir) nothing is claimed; 0: never "
            "mind.")
            .seldom(),
        row(&F::at_once, "at_once", "Files that are delivered at the same time.").within(1, 100).seldom(),
        row(&F::convert, "convert",
            "In which form pictures and videos are delivered, unless their connector or job says otherwise: a table with "
            "`image` (`format`, `quality`, `max_side`, `metadata`), `video` (`command`), `if_larger_than`; see README, "
            "\"Files of results\".")
            .without_variable(),
        row(&F::commands, "commands",
            "Tables [files.commands.NAME] with `command` (program and arguments, with `{in}` and `{out}`), `extension`, "
            "`mime_type` and `timeout`: programs by which videos may be converted.")
            .without_variable(),
    };
}

Rows<ControlSettings> control_rows() {
    using C = ControlSettings;
    return {
        row(&C::enabled, "enabled",
            "The control socket, which `status`, `restart`, `logs` and the like need."),
        row(&C::socket, "socket", "Path of the control socket; empty: `control.sock` in state_dir."),
    };
}

}  // namespace emprops::config
