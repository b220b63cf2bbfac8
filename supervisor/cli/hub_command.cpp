// `hub`: the local hub alone, for workers on this machine.

#include <boost/asio/io_context.hpp>
#include <optional>

#include "supervisor/base/exit_codes.h"
#include "supervisor/base/log.h"
#include "supervisor/base/loop.h"
#include "supervisor/base/pause_watch.h"
#include "supervisor/base/privacy.h"
#include "supervisor/cli/common.h"
#include "supervisor/local_hub/local_hub.h"
#include "supervisor/process/os/inherited.h"
#include "supervisor/worker/worker.h"

namespace emprops::cli {

int run_hub(const Common& common) {
    process::take_over();
    auto loaded = load_or_complain(request_for(common));
    if (!loaded) return exit_config;
    if (auto logging = setup_logging(loaded->settings.log); !logging) {
        complain(logging.error().message);
        return exit_config;
    }
    boost::asio::io_context& loop = process_loop();
    const auto& settings = loaded->settings.local_hub;
    make_private_folder(settings.database.parent_path());  // if it fails, opening the database says why
    auto hub = local_hub::LocalHub::start(loop.get_executor(), settings);
    if (!hub) {
        logger("local_hub")->error("{}", hub.error().message);
        close_logging();
        return exit_code_for(hub.error());
    }
    logger("local_hub")
        ->info("local hub serves ws://{}:{} (database {})",
               settings.listen.find(':') == std::string::npos ? settings.listen : "[" + settings.listen + "]",
               hub.value()->port(), settings.database.string());
    std::optional<PauseWatch> pauses;
    pauses.emplace(loop.get_executor(),
                   [](Ms paused) { logger("local_hub")->warn("{}", pause_text(paused)); });
    std::unique_ptr<Signals> signals;
    signals = std::make_unique<Signals>(loop, [&](const std::string& name) {
        logger("local_hub")->info("{}: local hub ends, its queue is kept", name);
        hub.value()->stop();
        pauses.reset();
        signals.reset();  // the loop ends when the last connection has
    });
    run_loop(loop);
    close_logging();
    return exit_ok;
}

}  // namespace emprops::cli
