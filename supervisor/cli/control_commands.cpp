// The commands that ask a running worker over its control socket.

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "ipc/text/percent.h"
#include "supervisor/base/exit_codes.h"
#include "supervisor/base/log_format.h"
#include "supervisor/base/time.h"
#include "supervisor/cli/common.h"
#include "supervisor/cli/status_text.h"
#include "supervisor/cli/table.h"
#include "supervisor/control/client.h"

namespace emprops::cli {
namespace {

using ipc::Json;

/// The worker's folder or socket is given by a variable or on the command line.
bool named_outside_files(const config::Loaded& loaded) {
    for (const char* key : {"control.socket", "worker.state_dir"}) {
        const auto origin = loaded.origins.find(key);
        if (origin != loaded.origins.end() && origin->second.layer > config::Layer::file) return true;
    }
    return false;
}

std::optional<control::Client> connect(const Common& common, const ControlOptions& options) {
    if (!options.socket.empty()) return control::Client(options.socket);
    // A worker that runs can be asked although a value in its file is wrong meanwhile (`reload` will name the
    // errors), but not if the file as a whole is: the default socket may be another worker's.
    const auto loaded = config::load(request_for(common));
    const auto& socket = loaded.settings.control.socket;
    const bool elsewhere = loaded.files_unusable && !named_outside_files(loaded);
    if (!socket.empty() && !elsewhere) return control::Client(socket);
    for (const auto& problem : loaded.problems)
        complain(config::to_string(problem));
    complain(
        "nothing was done: the configuration does not tell which worker is meant; mend it, or name the "
        "worker's socket with --socket");
    return std::nullopt;
}

int fail(const Error& error) {
    complain(error.message);
    return error.code == "unreachable" ? exit_temporary
                                       : (error.code == "not_found" ? exit_usage : exit_job_failed);
}

void print(const std::string& text) {
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
}

void print_json(const Json& json) {
    print(json_text(json, 2) + "\n");
}

/// GET `path`, then the raw JSON or what `show` makes of it.
template <class Show>
int show_page(const Common& common, const ControlOptions& options, const std::string& path, Show show) {
    const auto client = connect(common, options);
    if (!client) return exit_config;
    const auto page = client->get(path);
    if (!page) return fail(page.error());
    if (options.json) {
        print_json(page.value());
    } else {
        print(show(page.value()));
    }
    return exit_ok;
}

int follow(const Common& common, const ControlOptions& options, const std::string& path) {
    const auto client = connect(common, options);
    if (!client) return exit_config;
    const auto done = client->follow(path, [&](const std::string& line) {
        print((options.json ? json_text(Json{{"line", line}}) : one_line(line)) + "\n");
        return true;
    });
    return done ? static_cast<int>(exit_ok) : fail(done.error());
}

std::string path_of(const std::string& verb, const ControlOptions& options) {
    if (verb == "reload" || verb == "cancel" || verb == "retry" || options.name.empty()) return "/v1/" + verb;
    return "/v1/connectors/" + text::percent_encode(options.name) + "/" + verb;
}

/// Polls `status` until the change is there, or a process that should bring it has died. Returns the exit code;
/// says what it waited for in vain.
int wait_for(const control::Client& client, const std::string& verb, const ControlOptions& options,
             const Json& before) {
    const ClockWatch watch;
    const TimePoint deadline = Clock::now() + Ms(static_cast<long>(options.timeout_seconds * 1000));
    while (true) {
        const auto page = verb == "cancel" ? client.get("/v1/jobs") : client.get("/v1/status");
        if (!page) return fail(page.error());
        const std::string what = options.service ? "restart service" : verb;
        if (reached(what, options.name, before, page.value())) return exit_ok;
        const std::string cause =
            verb == "cancel" ? "" : broken_off(what, options.name, before, page.value());
        if (!cause.empty()) {
            complain(fmt::format("{} was begun, but is not done: {}", verb, cause));
            return exit_job_failed;
        }
        if (Clock::now() >= deadline) {
            complain(fmt::format(
                "{}{}{} was begun, but is not done after {} s; `emprops-worker status` shows how it stands",
                verb, options.name.empty() ? "" : " ", options.name, options.timeout_seconds));
            return exit_job_failed;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

}  // namespace

int show_status(const Common& common, const ControlOptions& options) {
    return show_page(common, options, "/v1/status",
                     [](const Json& page) { return status_text(page, terminal_width()); });
}

int show_jobs(const Common& common, const ControlOptions& options) {
    return show_page(common, options, "/v1/jobs",
                     [](const Json& page) { return jobs_text(page, terminal_width()); });
}

int show_why(const Common& common, const ControlOptions& options) {
    return show_page(common, options, "/v1/why/" + text::percent_encode(options.name),
                     [](const Json& page) { return one_line(page.value("why", "")) + "\n"; });
}

int show_logs(const Common& common, const ControlOptions& options) {
    const std::string path =
        options.name.empty() ? "/v1/logs" : "/v1/logs/" + text::percent_encode(options.name);
    // A followed log begins with the last lines, so that none is lost in between.
    if (options.follow) return follow(common, options, path + "?follow=1");
    return show_page(common, options, path, [](const Json& page) {
        std::string text;
        for (const auto& line : page.value("lines", Json::array()))
            text += one_line(line.get<std::string>()) + "\n";
        return text;
    });
}

int show_trace(const Common& common, const ControlOptions& options) {
    return follow(common, options, "/v1/trace/" + text::percent_encode(options.name));
}

int operate(const Common& common, const std::string& verb, const ControlOptions& options) {
    const auto client = connect(common, options);
    if (!client) return exit_config;
    const auto before = client->get("/v1/status");
    if (!before) return fail(before.error());
    Json body = Json::object();
    if (verb == "cancel") body["job_id"] = options.name;
    if (verb == "retry") body["name"] = options.name;
    if (verb == "drain" && !options.mode.empty()) body["mode"] = options.mode;
    if (verb == "restart" && options.service) body["service"] = true;
    const auto answer = client->post(path_of(verb, options), body);
    if (!answer) return fail(answer.error());
    if (options.json) {
        print_json(answer.value());
    } else {
        print(safe_lines(answer.value().value("message", "")) + "\n");
    }
    return options.wait ? wait_for(*client, verb, options, before.value()) : static_cast<int>(exit_ok);
}

}  // namespace emprops::cli
