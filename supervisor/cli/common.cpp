#include "supervisor/cli/common.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>

#include "supervisor/base/log.h"
#include "supervisor/base/log_format.h"

namespace emprops::cli {

config::LoadRequest request_for(const Common& common) {
    auto request = config::request_of_this_process();
    if (!common.config_file.empty()) request.config_file = common.config_file;
    request.overrides = common.overrides;
    return request;
}

std::optional<config::Loaded> load_or_complain(const config::LoadRequest& request, bool warnings) {
    auto loaded = config::load(request);
    for (const auto& problem : loaded.problems)
        if (warnings || problem.severity == config::Severity::error) complain(config::to_string(problem));
    if (!loaded.ok()) {
        complain(
            "the configuration is wrong, nothing was started; `emprops-worker check-config` shows what is in "
            "force");
        return std::nullopt;
    }
    return loaded;
}

std::filesystem::path own_directory() {
    std::error_code unused;
    return std::filesystem::read_symlink("/proc/self/exe", unused).parent_path();
}

void complain(const std::string& message) {
    std::fprintf(stderr, "emprops-worker: %s\n", safe_lines(message).c_str());
}

std::string json_text(const ipc::Json& json, int indent) {
    return json.dump(indent, ' ', ::isatty(STDOUT_FILENO) != 0, ipc::Json::error_handler_t::replace);
}

boost::asio::io_context& process_loop() {
    static auto* loop = new boost::asio::io_context(1);  // reachable to the end, destroyed never
    return *loop;
}

struct Signals::State : std::enable_shared_from_this<Signals::State> {
    State(boost::asio::io_context& loop, std::function<void(const std::string&)> on_signal,
          std::function<void()> on_reload)
        : set(loop, SIGINT, SIGTERM), on_signal(std::move(on_signal)), on_reload(std::move(on_reload)) {
        for (const int number : {SIGUSR1, SIGUSR2})
            this->on_reload ? set.add(number) : static_cast<void>(std::signal(number, SIG_IGN));
        if (this->on_reload) set.add(SIGHUP);
    }

    void wait() {
        set.async_wait([weak = weak_from_this()](boost::system::error_code ec, int number) {
            const auto self = weak.lock();
            if (ec || !self) return;
            if (number == SIGHUP) {
                self->on_reload();
            } else if (number == SIGUSR1 || number == SIGUSR2) {
                logger("worker")->info(
                    "SIG{} does nothing here; SIGHUP reads the configuration again and opens the log file "
                    "anew",
                    ::sigabbrev_np(number));
            } else {
                self->on_signal(number == SIGINT ? "SIGINT" : "SIGTERM");
            }
            self->wait();
        });
    }

    boost::asio::signal_set set;
    std::function<void(const std::string&)> on_signal;
    std::function<void()> on_reload;
};

Signals::Signals(boost::asio::io_context& loop, std::function<void(const std::string&)> on_signal,
                 std::function<void()> on_reload)
    : state_(std::make_shared<State>(loop, std::move(on_signal), std::move(on_reload))) {
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);  // a file size limit is a write that fails, no reason to die
    state_->wait();
}

Signals::~Signals() {
    boost::system::error_code ignored;
    state_->set.cancel(ignored);
}

}  // namespace emprops::cli
