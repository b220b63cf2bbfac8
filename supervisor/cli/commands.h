#pragma once
// The commands of emprops-worker, one function each; cli.cpp fills the options. Each returns the exit code.
// What a command has to say goes to stdout, problems go to stderr.

#include <optional>
#include <string>
#include <vector>

#include "config/load.h"

namespace emprops::cli {

/// Options that every command takes.
struct Common {
    std::string config_file;
    std::vector<std::string> overrides;  ///< --set and what --log-level, --hub, ... stand for
};

struct DemoOptions {
    bool once = false;
    int jobs = 5;
};

struct SubmitOptions {
    std::string type;
    std::string payload;  ///< JSON text
    std::string file;     ///< read instead of payload; "-": standard input
    std::string job_id;   ///< empty: the Hub chooses
    int priority = 0;
    bool wait = false;
    std::optional<double> timeout_seconds;
    bool json = false;
};

/// For the commands that ask a running worker.
struct ControlOptions {
    std::string socket;    ///< empty: control.socket of the configuration
    std::string name;      ///< connector, or job for cancel
    std::string mode;      ///< drain
    bool service = false;  ///< restart: the companion service instead of the connector
    bool json = false;
    bool follow = false;
    bool wait = false;
    double timeout_seconds = 60;
};

/// `files`
struct FilesOptions {
    ControlOptions control;  ///< name: a folder of the spool or a job; empty: all are listed
    std::string export_to;
    bool remove = false;
    bool retry = false;
};

/// `connector`
struct ConnectorOptions {
    std::string name;                  ///< of a configured one; empty: `command`
    std::vector<std::string> command;  ///< program and arguments
    std::string payload;               ///< JSON text, or @FILE
    std::string slow_payload;          ///< likewise
    std::string level = "all";
    std::string job_type;        ///< empty: the first that it offers
    std::string junit;           ///< file to write
    double timeout_seconds = 0;  ///< 0: as configured
    bool json = false;
    std::string jobs;      ///< run: a file with a payload in each line
    std::string language;  ///< new
};

int examine_connector(const Common& common, const ConnectorOptions& options);
int play_connector(const Common& common, const ConnectorOptions& options);
int new_connector(const ConnectorOptions& options);

int run_worker(const Common& common);
int run_demo(const Common& common, const DemoOptions& options);
int run_hub(const Common& common);
int submit(const Common& common, const SubmitOptions& options);
int check_config(const Common& common);

int show_status(const Common& common, const ControlOptions& options);
int show_jobs(const Common& common, const ControlOptions& options);
int show_why(const Common& common, const ControlOptions& options);
int show_logs(const Common& common, const ControlOptions& options);
int show_trace(const Common& common, const ControlOptions& options);
int manage_files(const Common& common, const FilesOptions& options);
/// verb: restart, start, stop, drain, resume, reload, cancel, retry
int operate(const Common& common, const std::string& verb, const ControlOptions& options);

}  // namespace emprops::cli
