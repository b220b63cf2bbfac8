// `demo`: the whole system on this machine, for the first five minutes: a local hub, the worker with the
// simulation connector, and some jobs with their progress and results.

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>

#include "supervisor/base/exit_codes.h"
#include "supervisor/base/log.h"
#include "supervisor/base/log_format.h"
#include "supervisor/base/loop.h"
#include "supervisor/base/timer.h"
#include "supervisor/cli/common.h"
#include "supervisor/cli/job_client.h"
#include "supervisor/cli/scratch.h"
#include "supervisor/cli/version.h"
#include "supervisor/local_hub/local_hub.h"
#include "supervisor/process/os/guardian.h"
#include "supervisor/process/os/inherited.h"
#include "supervisor/worker/worker.h"

namespace emprops::cli {
namespace {

void say(const std::string& text) {
    std::fputs((one_line(text) + "\n").c_str(), stdout);
    std::fflush(stdout);
}

class Demo {
  public:
    Demo(config::Loaded loaded, config::LoadRequest request, DemoOptions options)
        : loaded_(std::move(loaded)),
          request_(std::move(request)),
          options_(options),
          loop_(process_loop()),
          ready_(loop_) {}

    int run() {
        if (scratch_.path().empty()) {
            complain("cannot create a folder below the temporary folder");
            return exit_temporary;
        }
        auto& settings = loaded_.settings;
        settings.worker.state_dir = scratch_.path();
        settings.control.socket = scratch_.path() / "control.sock";
        settings.local_hub.database = scratch_.path() / "hub.sqlite";
        settings.hub.embedded = false;
        if (auto logging = setup_logging(settings.log); !logging) {
            complain(logging.error().message);
            return exit_config;
        }
        const int code = serve();
        worker_.reset();
        hub_.reset();
        close_logging();
        return code;
    }

  private:
    int serve() {
        if (!start_hub()) return exit_unavailable;
        if (!start_worker()) return exit_code_;
        signals_ = std::make_unique<Signals>(loop_, [this](const std::string& name) {
            if (client_) client_->close({});
            worker_->on_stop_signal(name);
        });
        wait_for_connectors(100);
        run_loop(loop_);
        return exit_code_;
    }

    bool start_hub() {
        auto& settings = loaded_.settings.local_hub;
        auto started = local_hub::LocalHub::start(loop_.get_executor(), settings);
        if (!started && started.error().code == "address_in_use") {
            say(fmt::format("demo: port {} is in use, taking a free one", settings.port));
            settings.port = 0;
            started = local_hub::LocalHub::start(loop_.get_executor(), settings);
        }
        if (!started) {
            complain(started.error().message);
            return false;
        }
        hub_ = std::move(started).value();
        auto& hub = loaded_.settings.hub;
        hub.url = fmt::format("ws://{}:{}", settings.listen, hub_->port());
        hub.token = settings.token;
        say(fmt::format("demo: local hub listens on {}", hub.url));
        return true;
    }

    bool start_worker() {
        WorkerOptions options;
        options.loaded = loaded_;
        options.request = request_;
        options.bin_dir = own_directory();
        options.version = version;
        worker_ = std::make_unique<Worker>(loop_, std::move(options), [this](int code) {
            if (code != exit_ok) exit_code_ = code;
            loop_.stop();
        });
        const auto started = worker_->start();
        if (started) return true;
        complain(started.error().message);
        exit_code_ = exit_code_for(started.error());
        return false;
    }

    void wait_for_connectors(int tries) {
        if (worker_->ready_instances() > 0) {
            say(fmt::format("demo: {} connector process{} ready", worker_->ready_instances(),
                            worker_->ready_instances() == 1 ? " is" : "es are"));
            return submit_jobs();
        }
        if (tries == 0) {
            complain("no connector became ready within 10 s; the log above says why");
            exit_code_ = exit_job_failed;
            return worker_->on_stop_signal("demo");
        }
        ready_.expires_after(std::chrono::milliseconds(100));
        ready_.async_wait([this, tries](boost::system::error_code ec) {
            if (!ec) wait_for_connectors(tries - 1);
        });
    }

    void submit_jobs() {
        JobClient::Events events;
        events.accepted = [](const std::string& job_id, int) {
            say(fmt::format("{}: accepted by the hub", job_id));
        };
        events.progress = [](const std::string& job_id, int percent, const std::string&,
                             const std::string& message) {
            if (percent >= 0) say(fmt::format("{}: {:3}% {}", job_id, percent, message));
        };
        events.attempt_failed = [](const std::string& job_id, int attempt, const std::string& error) {
            say(fmt::format("{}: attempt {} failed: {}", job_id, attempt, error));
        };
        events.completed = [this](const std::string& job_id, const std::string& result) {
            say(fmt::format("{}: completed: {}", job_id, result));
            job_ended(true);
        };
        events.failed = [this](const std::string& job_id, const std::string& why) {
            say(fmt::format("{}: {}", job_id, why));
            job_ended(false);
        };
        events.not_taken = [this](const std::string& job_id, const std::string& why) {
            say(fmt::format("{}: not taken: {}", job_id, why));
            job_ended(false);
        };
        const auto give_up = [this](const std::string& why) {
            complain(why);
            exit_code_ = exit_unavailable;
            worker_->on_stop_signal("demo");
        };
        events.uncertain = give_up;
        events.unreachable = [give_up](const std::string& why, bool) { give_up(why); };
        client_ = std::make_unique<JobClient>(loop_, loaded_.settings.hub, std::move(events));
        for (int i = 1; i <= options_.jobs; ++i) {
            JobRequest request;
            request.job_id = fmt::format("demo-{}", i);
            request.job_type = "simulation";
            request.payload = fmt::format(R"({{"prompt":"demo job {}","processing_time":0.6,"steps":3}})", i);
            if (auto queued = client_->submit(std::move(request)); !queued) complain(queued.error().message);
        }
        client_->connect();
    }

    void job_ended(bool completed) {
        ++ended_;
        if (!completed) exit_code_ = exit_job_failed;
        if (ended_ < options_.jobs) return;
        client_->close({});
        if (exit_code_ == exit_ok) say(fmt::format("demo: all {} jobs completed", ended_));
        if (options_.once) return worker_->on_stop_signal("demo --once");
        const auto& hub = loaded_.settings.hub.url;
        say("demo: still serving, Ctrl-C ends it. Try in another terminal:");
        say(fmt::format(
            "  {}/emprops-worker submit --hub {} --type simulation --payload '{{\"steps\":4}}' --wait",
            own_directory().string(), hub));
        say(fmt::format("  {}/emprops-worker status --socket {}", own_directory().string(),
                        loaded_.settings.control.socket.string()));
        say(fmt::format("  {}/emprops-worker restart simulation --socket {}", own_directory().string(),
                        loaded_.settings.control.socket.string()));
    }

    config::Loaded loaded_;
    config::LoadRequest request_;
    DemoOptions options_;
    Scratch scratch_{"demo"};
    boost::asio::io_context& loop_;
    Timer ready_;
    std::unique_ptr<local_hub::LocalHub> hub_;
    std::unique_ptr<Worker> worker_;
    std::unique_ptr<JobClient> client_;
    std::unique_ptr<Signals> signals_;
    int ended_ = 0;
    int exit_code_ = exit_ok;
};

}  // namespace

int run_demo(const Common& common, const DemoOptions& options) {
    process::take_over();
    auto request = request_for(common);
    // A demo shows the simulation connector whatever this machine is configured for.
    request.overrides.insert(request.overrides.begin(), "connectors=simulation");
    auto loaded = load_or_complain(request);
    if (!loaded) return exit_config;
    return process::run_guarded([&] { return Demo(std::move(*loaded), request, options).run(); });
}

}  // namespace emprops::cli
