#include "connector-sdk/cpp/src/start.h"

#include <algorithm>
#include <utility>

#include "connector-sdk/cpp/src/job_run.h"
#include "connector-sdk/cpp/src/json_limits.h"
#include "ipc/codec.h"
#include "ipc/json_text.h"
#include "ipc/text/people.h"

namespace emprops::sdk {
namespace {

constexpr int exit_internal = 70;
constexpr int exit_configuration = 78;

StartFailure foreign_version(const std::vector<int>& offered) {
    std::string list;
    for (const int version : offered)
        add_item(list, std::to_string(version));
    ipc::JobError error;
    error.code = ipc::code::unsupported;
    error.message = "this connector speaks protocol version " + std::to_string(ipc::protocol_version) +
                    ", the supervisor offers " + (list.empty() ? "none" : list) +
                    "; build it with the SDK that belongs to the supervisor";
    error.retryable = false;
    return {std::move(error), exit_configuration};
}

ipc::Ready describe(Connector& connector, const std::string& name, const ipc::Hello& hello) {
    ipc::Ready ready;
    ready.name = name;
    ready.version = connector.version();
    ready.job_types = connector.job_types();
    ready.capabilities = object_or_null(connector.capabilities());
    if (ready.capabilities.is_null()) ready.capabilities = Json::object();
    ready.concurrency = std::max(1, hello.concurrency ? *hello.concurrency : connector.concurrency());
    const Features features = connector.features();
    // A worker that takes no files does not know the feature, and would complain.
    const bool files = features.files && hello.files;
    ready.features = {features.cancel, true, features.status, features.resume, features.prepare, files};
    return ready;
}

}  // namespace

ConnectorSettings to_public(const ipc::Hello& hello) {
    ConnectorSettings settings;
    settings.worker_id = hello.worker_id;
    settings.connector = hello.connector;
    settings.instance = hello.instance;
    settings.settings = hello.settings;
    settings.work_dir = hello.work_dir;
    settings.hub = hello.hub;
    settings.concurrency = hello.concurrency;
    if (const auto& offer = hello.files)
        settings.files = FilesOffer{offer->stores,    offer->max_files, offer->released,
                                    offer->max_bytes, offer->deliver,   offer->jobs};
    return settings;
}

std::string checked_settings(Connector& connector, const std::string& hello) {
    Json answer = {{"type", "settings_checked"}, {"warnings", Json::array()}};
    try {
        const auto message = ipc::decode_to_connector(hello);
        if (!message) throw ConfigurationError(message.error().message);
        const auto* said = *message ? std::get_if<ipc::Hello>(&**message) : nullptr;
        if (said == nullptr) throw ConfigurationError("the first line is no `hello`");
        answer["warnings"] = connector.check_settings(to_public(*said));
    } catch (const ConfigurationError& wrong) {
        answer["error"] = wrong.what();
    }
    return ipc::dump(answer) + "\n";
}

std::variant<ipc::Ready, StartFailure> start_connector(Connector& connector, const std::string& name,
                                                       const ipc::Hello& hello, ConnectorContext& context) {
    const auto& versions = hello.protocol_versions;
    if (std::find(versions.begin(), versions.end(), ipc::protocol_version) == versions.end())
        return foreign_version(versions);
    try {
        connector.initialize(to_public(hello), context);
        return describe(connector, name, hello);
    } catch (...) {
        ipc::JobError error = error_of_exception();
        const int exit_code = error.retryable ? exit_internal : exit_configuration;
        return StartFailure{std::move(error), exit_code};
    }
}

}  // namespace emprops::sdk
