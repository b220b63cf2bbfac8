// `submit`: one job to the Hub, with a progress bar on a terminal.

#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <iterator>
#include <optional>

#include "ipc/envelope.h"
#include "supervisor/base/exit_codes.h"
#include "supervisor/base/log_format.h"
#include "supervisor/base/loop.h"
#include "supervisor/base/pause_watch.h"
#include "supervisor/base/timer.h"
#include "supervisor/cli/common.h"
#include "supervisor/cli/job_client.h"
#include "supervisor/cli/payload.h"
#include "supervisor/cli/table.h"
#include "supervisor/control/client.h"
#include "supervisor/hub/url.h"
#include "supervisor/local_hub/local_hub.h"

namespace emprops::cli {
namespace {

using ipc::Json;

Result<std::string> read_payload(const SubmitOptions& options) {
    std::string text = options.payload.empty() ? "{}" : options.payload;
    if (options.file == "-") {
        text.assign(std::istreambuf_iterator<char>(std::cin), {});
    } else if (!options.file.empty()) {
        auto read = read_payload_file(options.file);
        if (!read) return read.error();
        text = std::move(*read);
    }
    return checked_payload(std::move(text), options.file.empty() ? "" : " in " + options.file);
}

/// What `submit` prints: JSON lines, a bar that is redrawn on a terminal, or plain lines.
class Printer {
  public:
    explicit Printer(bool json) : json_(json), bar_(!json && ::isatty(STDOUT_FILENO) != 0) {}

    void event(const char* name, const std::string& job_id, Json more, const std::string& sentence) {
        if (json_) {
            more["event"] = name;
            more["job_id"] = job_id;
            line(json_text(more));
        } else {
            line(one_line(sentence));
        }
    }

    void progress(const std::string& job_id, int percent, const std::string& status,
                  const std::string& message) {
        if (json_)
            return event("progress", job_id,
                         {{"progress", percent}, {"status", status}, {"message", message}}, "");
        if (percent < 0) return;  // only a sign of life
        percent = std::min(percent, 100);
        if (!bar_) return line(one_line(fmt::format("{:3}% {}", percent, message)));
        constexpr int cells = 24;
        const int full = percent * cells / 100;
        std::string bar;
        for (int i = 0; i < cells; ++i)
            bar += i < full ? "█" : "░";
        const auto width = std::max<std::size_t>(terminal_width(), 40);
        std::fputs(("\r\x1b[K" + cut(fmt::format("{} {:3}% {}", bar, percent, one_line(message)), width - 1))
                       .c_str(),
                   stdout);
        std::fflush(stdout);
        drawn_ = true;
    }

    /// The result as it came, JSON for whoever reads it: byte for byte, but on a terminal with what could act on it
    /// made visible.
    void result(const std::string& job_id, const std::string& text) {
        const std::string plain = ipc::on_one_line(text);
        if (json_)
            return show(fmt::format(R"({{"event":"completed","job_id":{},"result":{}}})",
                                    json_text(Json(job_id)), plain));
        line(one_line(fmt::format("{} completed:", job_id)));
        show(plain);
    }

  private:
    void show(const std::string& text) { line(::isatty(STDOUT_FILENO) != 0 ? one_line(text) : text); }
    void line(const std::string& text) {
        if (drawn_) std::fputs("\n", stdout);
        drawn_ = false;
        std::fputs((text + "\n").c_str(), stdout);
        std::fflush(stdout);
    }

    bool json_;
    bool bar_;
    bool drawn_ = false;
};

/// The worker of this folder, where its configuration says that it runs a hub for itself.
class HubOfThisFolder {
  public:
    /// Makes `settings.hub` lead there: to where it listens now, else to where it will.
    explicit HubOfThisFolder(config::Settings& settings) : control_(settings.control.socket) {
        std::uint16_t port = settings.local_hub.port;
        if (const auto status = control_.get("/v1/status"); status && status->contains("hub")) {
            const auto now = hub::parse_url(status->at("hub").value("address", ""));
            if (now) port = now->port;
        }
        local_hub::lead_to_local_hub(settings.hub, settings.local_hub, port);
    }

    bool runs() const {
        const auto status = control_.get("/v1/status");
        return status || status.error().code != "unreachable";
    }
    static constexpr const char* advice =
        "it is the hub inside the worker of this folder (hub.embedded): start that with `emprops-worker run`, or "
        "name another one with --hub";

  private:
    control::Client control_;
};

}  // namespace

int submit(const Common& common, const SubmitOptions& options) {
    auto payload = read_payload(options);
    if (!payload) {
        complain(payload.error().message);
        return exit_usage;
    }
    auto loaded = load_or_complain(request_for(common), false);
    if (!loaded) return exit_config;
    const auto origin = loaded->origins.find("hub.url");
    const bool named = origin != loaded->origins.end() && origin->second.layer == config::Layer::command_line;
    std::optional<HubOfThisFolder> worker;
    if (loaded->settings.hub.embedded && !named) worker.emplace(loaded->settings);

    boost::asio::io_context& loop = process_loop();
    Printer printer(options.json);
    int exit_code = exit_internal;
    std::unique_ptr<JobClient> client;
    std::unique_ptr<Signals> signals;
    // What this command waits for runs on in its own time, also while this one stands still.
    const PauseWatch pauses(loop.get_executor(), [](Ms) {});
    Timer limit(loop);
    const auto leave = [&](int code) {
        exit_code = code;
        limit.cancel();
        signals.reset();
        loop.stop();
    };
    const auto finish = [&](int code) { client->close([&leave, code] { leave(code); }); };
    JobClient::Events events;
    events.accepted = [&](const std::string& job_id, int position) {
        printer.event("accepted", job_id, {{"position", position}},
                      position > 0 ? fmt::format("{} accepted, position {} in the queue", job_id, position)
                                   : fmt::format("{} accepted", job_id));
        if (!options.wait) finish(exit_ok);
    };
    events.progress = [&](const std::string& job_id, int percent, const std::string& status,
                          const std::string& message) { printer.progress(job_id, percent, status, message); };
    events.attempt_failed = [&](const std::string& job_id, int attempt, const std::string& error) {
        printer.event("attempt_failed", job_id, {{"attempt", attempt}, {"error", error}},
                      fmt::format("attempt {} failed: {}", attempt, error));
    };
    events.completed = [&](const std::string& job_id, const std::string& result) {
        printer.result(job_id, result);
        finish(exit_ok);
    };
    events.failed = [&](const std::string& job_id, const std::string& why) {
        printer.event("failed", job_id, {{"reason", why}}, fmt::format("{} {}", job_id, why));
        finish(exit_job_failed);
    };
    events.not_taken = [&](const std::string&, const std::string& why) {
        complain(fmt::format("the Hub did not take the job: {}", why));
        finish(exit_job_failed);
    };
    events.uncertain = [&](const std::string& why) {
        complain(why);
        leave(exit_temporary);
    };
    if (worker) {
        events.lost = [&](const std::string& why) {
            if (worker->runs()) return;
            complain(fmt::format(
                "the worker of this folder has ended, and its hub with it ({}); the hub keeps the job "
                "and goes on when the worker runs again",
                why));
            client->close({});
            leave(exit_temporary);
        };
    }
    events.unreachable = [&](const std::string& why, bool refused) {
        complain(fmt::format("the job was not submitted: {}", why));
        if (worker && !refused) complain(HubOfThisFolder::advice);
        leave(refused ? exit_unavailable : exit_temporary);
    };
    client = std::make_unique<JobClient>(loop, loaded->settings.hub, std::move(events));
    signals = std::make_unique<Signals>(loop, [&](const std::string&) { finish(exit_job_failed); });
    if (options.timeout_seconds) {
        limit.expires_after(std::chrono::milliseconds(static_cast<long>(*options.timeout_seconds * 1000)));
        limit.async_wait([&](boost::system::error_code ec) {
            if (ec) return;
            complain(fmt::format("no end of the job within {} s; it goes on at the Hub",
                                 *options.timeout_seconds));
            finish(exit_temporary);
        });
    }
    JobRequest request;
    request.job_id = options.job_id;
    request.job_type = options.type;
    request.priority = options.priority;
    request.payload = std::move(payload).value();
    if (auto queued = client->submit(std::move(request)); !queued) {
        complain(queued.error().message);
        return exit_usage;
    }
    client->connect();
    run_loop(loop);
    return exit_code;
}

}  // namespace emprops::cli
