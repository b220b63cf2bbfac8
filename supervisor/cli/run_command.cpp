// `run`: the worker itself, under its guardian.

#include <boost/asio/io_context.hpp>
#include <csignal>
#include <exception>
#include <new>
#include <system_error>

#include "supervisor/base/exit_codes.h"
#include "supervisor/base/log.h"
#include "supervisor/base/loop.h"
#include "supervisor/base/memory.h"
#include "supervisor/base/privacy.h"
#include "supervisor/cli/common.h"
#include "supervisor/cli/version.h"
#include "supervisor/process/os/guardian.h"
#include "supervisor/process/os/inherited.h"
#include "supervisor/process/os/machine.h"
#include "supervisor/worker/worker.h"

namespace emprops::cli {
namespace {

constexpr const char* defect_words = "a defect of emprops-worker, please report it";

int serve(config::Loaded loaded, config::LoadRequest request) {
    if (auto logging = setup_logging(loaded.settings.log); !logging) {
        complain(logging.error().message);
        return exit_config;
    }
    for (const std::string& note : process::inherited().notes)
        logger("worker")->warn("{}", note);
    if (const auto denied = process::denied_system_calls(); !denied.empty()) {
        for (const std::string& sentence : denied)
            logger("worker")->critical("{}", sentence);
        close_logging();
        return exit_unavailable;
    }
    boost::asio::io_context& loop = process_loop();
    int exit_code = exit_ok;
    WorkerOptions options;
    options.loaded = std::move(loaded);
    options.request = std::move(request);
    options.bin_dir = own_directory();
    options.version = version;
    {
        Worker worker(loop, std::move(options), [&](int code) {
            exit_code = code;
            loop.stop();
        });
        if (auto started = worker.start(); !started) {
            logger("worker")->error("{}", started.error().message);
            exit_code = exit_code_for(started.error());
        } else {
            const Signals signals(
                loop, [&](const std::string& name) { worker.on_stop_signal(name); },
                [&] { worker.on_reload_signal(); });
            run_loop(loop);
        }
    }
    close_logging();
    return exit_code;
}

}  // namespace

int run_worker(const Common& common) {
    process::take_over();
    const auto request = request_for(common);
    auto loaded = load_or_complain(request);
    if (!loaded) return exit_config;
    for (const auto& note : loaded->notes)
        complain(config::to_string(note));
    // Until they mean something (Signals): a log rotation in the first moment ends nothing.
    for (const int number : {SIGHUP, SIGUSR1, SIGUSR2})
        std::signal(number, SIG_IGN);
    hide_from_own_user();  // the guardian and the supervisor: connectors run as the same user
    return process::run_guarded([&] {
        try {
            return serve(std::move(*loaded), request);
        } catch (const std::bad_alloc&) {
            logger("worker")->critical("{}; its jobs are in the ledger and go on at the next start",
                                       no_memory);
            close_logging();
            return static_cast<int>(exit_temporary);
        } catch (const std::system_error& error) {
            const std::string limit = process::limit_behind(error.code().value());
            logger("worker")->critical("{}: {}", limit.empty() ? defect_words : limit.c_str(), error.what());
            close_logging();
            return static_cast<int>(limit.empty() ? exit_internal : exit_temporary);
        } catch (const std::exception& defect) {
            logger("worker")->critical("{}: {}", defect_words, defect.what());
            close_logging();
            return static_cast<int>(exit_internal);
        }
    });
}

}  // namespace emprops::cli
