#include "supervisor/process/introduction.h"

#include <algorithm>
#include <utility>

#include "supervisor/process/child.h"
#include "supervisor/process/child_environment.h"

namespace emprops::process {

Result<LaunchSpec> introduce(Surroundings& around, const config::ConnectorSettings& settings, int index) {
    auto spec =
        Child::prepare(around, connector_search(settings, index, around.environment), settings.supervision);
    if (!spec) return spec.error();
    const auto work_dir = around.work_dirs.make_instance(settings.name, index, spec->user);
    if (!work_dir) return work_dir.error();
    for (std::size_t argument = 1; argument < settings.command.size(); ++argument)
        spec->arguments.push_back(for_connector(settings.command[argument], settings, index));
    spec->working_dir =
        settings.working_dir.empty() ? *work_dir : std::filesystem::absolute(settings.working_dir);
    return spec;
}

ipc::Hello greeting(const Surroundings& around, const config::ConnectorSettings& settings, int index) {
    ipc::Hello hello;
    hello.worker_id = around.options.worker_id;
    hello.connector = settings.name;
    hello.instance = index;
    hello.settings = settings_for_connector(settings, index);
    hello.max_line_bytes = settings.supervision.max_line_bytes;
    hello.work_dir = around.work_dirs.instance(settings.name, index).string();
    hello.hub = around.options.hub;
    if (settings.concurrency) hello.concurrency = static_cast<int>(*settings.concurrency);
    // In a debugger it takes what it takes.
    hello.prepare_timeout =
        settings.attach ? Ms{0}
                        : std::max(settings.supervision.prepare_timeout, settings.supervision.start_timeout);
    hello.heartbeat_interval = settings.supervision.ping_interval;
    hello.files = around.files;
    if (hello.files) {
        hello.files->released = static_cast<int>(settings.supervision.released_jobs);
        if (!settings.deliver.empty()) hello.files->deliver = settings.deliver;
    }
    hello.heartbeat_missed = static_cast<int>(settings.supervision.ping_missed);
    return hello;
}

}  // namespace emprops::process
