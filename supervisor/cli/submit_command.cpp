// `submit`: one job to the Hub, with a progress bar on a terminal.

#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "ipc/envelope.h"
#include "supervisor/base/exit_codes.h"
#include "supervisor/cli/common.h"
#include "supervisor/cli/job_client.h"
#include "supervisor/cli/table.h"

namespace emprops::cli {
namespace {

using ipc::Json;

Result<std::string> read_payload(const SubmitOptions& options) {
    std::string text = options.payload.empty() ? "{}" : options.payload;
    if (options.file == "-") {
        text.assign(std::istreambuf_iterator<char>(std::cin), {});
    } else if (!options.file.empty()) {
        std::ifstream file(options.file, std::ios::binary);
        if (!file) return Error{"payload", fmt::format("cannot read the payload file {}", options.file)};
        text.assign(std::istreambuf_iterator<char>(file), {});
    }
    const auto begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos || text[begin] != '{')
        return Error{"payload", "the payload must be a JSON object: {...}"};
    if (const auto problem = ipc::check_json(text)) {
        return Error{"payload", fmt::format("the payload is not valid JSON: {} (at byte {})", problem->reason,
                                            problem->offset)};
    }
    return text;
}

/// What `submit` prints: JSON lines, a bar that is redrawn on a terminal, or plain lines.
class Printer {
  public:
    explicit Printer(bool json) : json_(json), bar_(!json && ::isatty(STDOUT_FILENO) != 0) {}

    void event(const char* name, const std::string& job_id, Json more, const std::string& sentence) {
        if (json_) {
            more["event"] = name;
            more["job_id"] = job_id;
            line(more.dump(-1, ' ', false, Json::error_handler_t::replace));
        } else {
            line(sentence);
        }
    }

    void progress(const std::string& job_id, int percent, const std::string& status,
                  const std::string& message) {
        if (json_)
            return event("progress", job_id,
                         {{"progress", percent}, {"status", status}, {"message", message}}, "");
        if (percent < 0) return;  // only a sign of life
        if (!bar_) return line(fmt::format("{:3}% {}", percent, message));
        constexpr int cells = 24;
        const int full = percent * cells / 100;
        std::string bar;
        for (int i = 0; i < cells; ++i)
            bar += i < full ? "█" : "░";
        const auto width = std::max<std::size_t>(terminal_width(), 40);
        std::fputs(("\r\x1b[K" + cut(fmt::format("{} {:3}% {}", bar, percent, message), width - 1)).c_str(),
                   stdout);
        std::fflush(stdout);
        drawn_ = true;
    }

    /// The result as it came: JSON for whoever reads it.
    void result(const std::string& job_id, const std::string& text) {
        if (json_)
            return line(
                fmt::format(R"({{"event":"completed","job_id":{},"result":{}}})", Json(job_id).dump(), text));
        line(fmt::format("{} completed:", job_id));
        line(text);
    }

  private:
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

}  // namespace

int submit(const Common& common, const SubmitOptions& options) {
    auto payload = read_payload(options);
    if (!payload) {
        complain(payload.error().message);
        return exit_usage;
    }
    const auto loaded = load_or_complain(request_for(common));
    if (!loaded) return exit_config;

    boost::asio::io_context loop(1);
    Printer printer(options.json);
    int exit_code = exit_internal;
    std::unique_ptr<JobClient> client;
    std::unique_ptr<Signals> signals;
    boost::asio::steady_timer limit(loop);
    const auto finish = [&](int code) {
        exit_code = code;
        limit.cancel();
        signals.reset();
        client->close();
    };
    JobClient::Events events;
    events.accepted = [&](const std::string& job_id, int position) {
        printer.event("accepted", job_id, {{"position", position}},
                      fmt::format("{} accepted, position {} in the queue", job_id, position));
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
    events.unreachable = [&](const std::string& why, bool refused) {
        complain(fmt::format("the job was not submitted: {}", why));
        exit_code = refused ? exit_unavailable : exit_temporary;
        limit.cancel();
        signals.reset();
    };
    client = std::make_unique<JobClient>(loop, loaded->settings.hub, std::move(events));
    signals = std::make_unique<Signals>(loop, [&](const std::string&) { finish(exit_job_failed); });
    if (options.timeout_seconds) {
        limit.expires_after(std::chrono::milliseconds(static_cast<long>(*options.timeout_seconds * 1000)));
        limit.async_wait([&](boost::system::error_code ec) {
            if (ec) return;
            complain(fmt::format("no end of the job within {} s; it goes on at the Hub",
                                 *options.timeout_seconds));
            finish(exit_job_failed);
        });
    }
    JobRequest request;
    request.job_id = options.job_id;
    request.job_type = options.type;
    request.priority = options.priority;
    request.payload.text = std::move(payload).value();
    client->submit(std::move(request));
    client->connect();
    loop.run();
    return exit_code;
}

}  // namespace emprops::cli
