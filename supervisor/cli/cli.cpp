#include "supervisor/cli/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
#include <string_view>

#include "ipc/messages.h"
#include "supervisor/base/exit_codes.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/common.h"
#include "supervisor/cli/version.h"

namespace emprops::cli {
namespace {

std::string version_text() {
    return fmt::format("emprops-worker {} (commit {}, {}, Boost {}, connector protocol {})", version, commit,
                       compiler, boost, ipc::protocol_version);
}

/// Everything the parser fills, and the command that was chosen.
struct Parsed {
    Common common;
    DemoOptions demo;
    SubmitOptions submit;
    ControlOptions control;
    FilesOptions files;
    ConnectorOptions connector;
    std::vector<std::string> words;  ///< of what stands behind `connector doctor`
    bool dashes = false;             ///< a `--` stands before them
    std::function<int()> command;
};

/// Options that stand for a setting: they win over every other source.
void add_override(CLI::App& app, Parsed& parsed, const std::string& option, const std::string& key,
                  const std::string& help) {
    app.add_option_function<std::string>(
        option,
        [&parsed, key](const std::string& value) { parsed.common.overrides.push_back(key + "=" + value); },
        help);
}

void add_common(CLI::App& app, Parsed& parsed) {
    app.add_option("-c,--config", parsed.common.config_file,
                   "Configuration file (default: ./emprops-worker.toml, then /etc/emprops-worker/)")
        ->type_name("FILE");
    app.add_option_function<std::vector<std::string>>(
           "--set",
           [&parsed](const std::vector<std::string>& values) {
               parsed.common.overrides.insert(parsed.common.overrides.end(), values.begin(), values.end());
           },
           "Set one value, for example --set hub.port=8001; may be repeated")
        ->type_name("KEY=VALUE")
        ->take_all();
    add_override(app, parsed, "--hub", "hub.url",
                 "WebSocket address of the Hub, for example ws://127.0.0.1:8001");
    add_override(app, parsed, "--log-level", "log.level", "trace, debug, info, warn or error");
    add_override(app, parsed, "--log-format", "log.format", "text or json");
}

CLI::App* add_control(CLI::App& app, Parsed& parsed, const std::string& name, const std::string& help,
                      std::function<int()> command) {
    auto* sub = app.add_subcommand(name, help);
    add_common(*sub, parsed);
    sub->add_option("--socket", parsed.control.socket,
                    "Control socket of the worker (default: from the configuration)");
    sub->add_flag("--json", parsed.control.json, "Print JSON");
    sub->callback([&parsed, command = std::move(command)] { parsed.command = command; });
    return sub;
}

void add_waiting(CLI::App& sub, Parsed& parsed) {
    sub.add_flag("--wait", parsed.control.wait, "Return when it is done");
    sub.add_option("--timeout", parsed.control.timeout_seconds,
                   "With --wait: give up after this many seconds (60)");
}

void add_commands_that_run(CLI::App& app, Parsed& parsed) {
    auto* run = app.add_subcommand("run", "Run the worker (the default)");
    add_common(*run, parsed);
    run->callback([&parsed] { parsed.command = [&parsed] { return run_worker(parsed.common); }; });

    auto* demo = app.add_subcommand(
        "demo", "Local hub, worker, simulation connector and some jobs, all on this machine");
    add_common(*demo, parsed);
    demo->add_flag("--once", parsed.demo.once, "End after the jobs; exit 0 only if all completed");
    demo->add_option("--jobs", parsed.demo.jobs, "How many jobs (5)")->check(CLI::Range(1, 1000));
    demo->callback(
        [&parsed] { parsed.command = [&parsed] { return run_demo(parsed.common, parsed.demo); }; });

    auto* hub = app.add_subcommand("hub", "Run the local hub alone");
    add_common(*hub, parsed);
    add_override(*hub, parsed, "--port", "local_hub.port", "Port to listen on (8001)");
    hub->callback([&parsed] { parsed.command = [&parsed] { return run_hub(parsed.common); }; });

    auto* submit_command = app.add_subcommand("submit", "Submit a job to the Hub");
    add_common(*submit_command, parsed);
    submit_command->add_option("-t,--type", parsed.submit.type, "Job type, for example simulation")
        ->required()
        ->check(
            [](const std::string& type) { return type.empty() ? std::string("is empty") : std::string(); },
            "");
    auto* payload =
        submit_command->add_option("-p,--payload", parsed.submit.payload, "Payload: a JSON object");
    submit_command
        ->add_option("-f,--file", parsed.submit.file, "File with the payload (- for standard input)")
        ->excludes(payload);
    submit_command->add_option("--id", parsed.submit.job_id, "Job id (default: the Hub chooses one)");
    submit_command->add_option("--priority", parsed.submit.priority, "Higher runs first (0)");
    submit_command->add_flag("-w,--wait", parsed.submit.wait, "Show the progress and print the result");
    submit_command
        ->add_option("--timeout", parsed.submit.timeout_seconds,
                     "Seconds after which --wait gives up (default: never)")
        ->check(CLI::PositiveNumber);
    submit_command->add_flag("--json", parsed.submit.json, "Print one JSON object per event");
    submit_command->callback(
        [&parsed] { parsed.command = [&parsed] { return submit(parsed.common, parsed.submit); }; });

    auto* check =
        app.add_subcommand("check-config", "Print the settings in force with their origins, and all errors");
    add_common(*check, parsed);
    check->callback([&parsed] { parsed.command = [&parsed] { return check_config(parsed.common); }; });
}

void add_commands_that_ask(CLI::App& app, Parsed& parsed) {
    const auto& common = parsed.common;
    const auto& options = parsed.control;
    const auto connector = [&parsed](CLI::App* sub, bool required) {
        auto* option = sub->add_option("name", parsed.control.name, "Connector");
        if (required) option->required();
    };
    add_control(app, parsed, "status", "How the worker, its Hub link and its connectors are",
                [&] { return show_status(common, options); });
    add_control(app, parsed, "jobs", "What runs on this worker", [&] { return show_jobs(common, options); });
    connector(add_control(app, parsed, "why", "One sentence: why a connector is in its state",
                          [&] { return show_why(common, options); }),
              true);
    auto* logs =
        add_control(app, parsed, "logs",
                    "Last prints of a connector and complaints about its lines (of all without NAME)",
                    [&] { return show_logs(common, options); });
    logs->add_flag("-f,--follow", parsed.control.follow, "Go on with what comes");
    connector(logs, false);
    connector(add_control(app, parsed, "trace", "Protocol lines of a connector as they pass",
                          [&] { return show_trace(common, options); }),
              true);

    const struct {
        const char* verb;
        const char* help;
        bool named;
        bool required;
    } operations[] = {
        {"restart", "Restart a connector without a gap: the new process is ready before the old one leaves",
         true, true},
        {"stop", "Stop a connector when its jobs are done; it stays stopped", true, true},
        {"start", "Start a stopped or failed connector", true, true},
        {"drain", "Take no new jobs (worker, or one connector)", true, false},
        {"resume", "Take jobs again after a drain", true, false},
        {"reload", "Read the configuration again; restarts only connectors whose settings changed", false,
         false},
    };
    for (const auto& operation : operations) {
        const std::string verb = operation.verb;
        auto* sub = add_control(app, parsed, verb, operation.help,
                                [&, verb] { return operate(common, verb, options); });
        if (operation.named) connector(sub, operation.required);
        if (verb == "restart") {
            sub->add_flag("--service", parsed.control.service,
                          "Restart its companion service ([connectors.NAME.service]) instead; running jobs "
                          "finish first");
        }
        if (verb == "drain") {
            sub->add_option("--mode", parsed.control.mode,
                            "graceful (default), deadline or now: what happens to running jobs")
                ->check(CLI::IsMember({"graceful", "deadline", "now"}));
        }
        add_waiting(*sub, parsed);
    }
    auto* files = add_control(app, parsed, "files",
                              "Files of results that no store took, and what to do with them", [&] {
                                  parsed.files.control = parsed.control;
                                  return manage_files(common, parsed.files);
                              });
    files->add_option("name", parsed.control.name,
                      "A job id, or a NAME of the list (default: all are listed)");
    auto* export_to = files->add_option("--export", parsed.files.export_to, "Copy the files into this folder")
                          ->type_name("DIR");
    auto* remove = files->add_flag("--remove", parsed.files.remove, "Remove them; with --export: afterwards");
    files->add_flag("--retry", parsed.files.retry, "Have the running worker deliver them once more")
        ->excludes(export_to)
        ->excludes(remove);
    auto* cancel = add_control(app, parsed, "cancel", "Cancel a running job",
                               [&] { return operate(common, "cancel", options); });
    cancel->add_option("job", parsed.control.name, "Job id")->required();
    add_waiting(*cancel, parsed);
}

/// A connector that is configured, or a command behind `--`.
CLI::App* add_target(CLI::App& group, Parsed& parsed, const char* name, const char* help,
                     int (*command)(const Common&, const ConnectorOptions&)) {
    auto* sub = group.add_subcommand(name, help);
    add_common(*sub, parsed);
    sub->add_option("-t,--type", parsed.connector.job_type, "Job type (default: the first that it offers)");
    sub->add_option("target", parsed.words, "NAME of a configured connector, or: -- CMD...")->required();
    sub->callback([&parsed, command] {
        if (parsed.dashes)
            parsed.connector.command = parsed.words;
        else if (parsed.words.size() == 1)
            parsed.connector.name = parsed.words.front();
        else
            throw CLI::ValidationError("give one NAME, or a command behind `--`: -- CMD...");
        parsed.command = [&parsed, command] { return command(parsed.common, parsed.connector); };
    });
    return sub;
}

void add_connector_commands(CLI::App& app, Parsed& parsed) {
    auto* group = app.add_subcommand("connector", "For authors of connectors: begin one, run it, examine it");
    group->require_subcommand(1);
    ConnectorOptions& options = parsed.connector;
    auto* doctor = add_target(*group, parsed, "doctor",
                              "Play the supervisor and say what a connector does wrong, and the cure",
                              examine_connector);
    doctor->add_option("-p,--payload", options.payload,
                       "Payload of a job that must succeed (JSON, or @FILE)");
    doctor->add_option("--slow-payload", options.slow_payload, "Payload of a job that takes some seconds");
    doctor->add_option("--level", options.level, "handshake, jobs or all (default)")
        ->check(CLI::IsMember({"handshake", "jobs", "all"}));
    doctor
        ->add_option(
            "--timeout", options.timeout_seconds,
            "Longest wait for `ready` and for the end of a job, in seconds; for other answers a part of it "
            "(as configured)")
        ->check(CLI::PositiveNumber);
    doctor->add_flag("--json", options.json, "Print JSON");
    doctor->add_option("--junit", options.junit, "Write JUnit XML to this file")->type_name("FILE");

    auto* run = add_target(*group, parsed, "run", "Run a connector without a hub and show the conversation",
                           play_connector);
    run->add_option("-p,--payload", options.payload, "Payload of a job (JSON, or @FILE)");
    run->add_option("--jobs", options.jobs, "A file with the payload of a job in each line")
        ->type_name("FILE");

    auto* fresh =
        group->add_subcommand("new", "Make a folder NAME with a connector to begin with, and its test");
    fresh->add_option("name", options.name, "Its name, which is its job type as well")->required();
    fresh->add_option("--lang", options.language, "python, node, cpp or bash")
        ->required()
        ->check(CLI::IsMember({"python", "node", "cpp", "bash"}));
    fresh->callback([&parsed] { parsed.command = [&parsed] { return new_connector(parsed.connector); }; });
}

}  // namespace

int run(int argc, char** argv) {
    CLI::App app{"emprops-worker: runs jobs of an EmProps Redis Hub in connector processes",
                 "emprops-worker"};
    app.set_version_flag("--version", version_text());
    app.require_subcommand(0, 1);
    app.footer(
        "Exit codes: 0 as asked, 1 a job failed, 64 usage, 69 refused by the Hub or port in use, 70 "
        "internal,\n"
        "75 temporary (locked, no Hub), 78 configuration. Documentation: README.md.");
    Parsed parsed;
    parsed.dashes =
        std::any_of(argv, argv + argc, [](const char* word) { return std::string_view(word) == "--"; });
    add_common(app, parsed);
    add_commands_that_run(app, parsed);
    add_commands_that_ask(app, parsed);
    add_connector_commands(app, parsed);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int shown = app.exit(error);
        return shown == 0 ? exit_ok : exit_usage;
    }
    return parsed.command ? parsed.command() : run_worker(parsed.common);
}

}  // namespace emprops::cli
