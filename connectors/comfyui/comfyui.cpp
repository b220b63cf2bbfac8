#include "connectors/comfyui/comfyui.h"

#include <utility>

#include "connectors/comfyui/server/lease.h"

namespace emprops::comfyui {
namespace {

constexpr int lasting_failures = 4;  // of the WebSocket, one after the other: with their pauses 2 s

Settings settings_of(const ConnectorSettings& given) {
    auto loaded = load_settings(
        given.settings, [](std::string_view name) { return env_find(name); }, env_names(), given.connector);
    if (!loaded.ok()) throw ConfigurationError(loaded.error().message);
    return std::move(*loaded);
}

}  // namespace

ComfyUi::ComfyUi() = default;
ComfyUi::~ComfyUi() = default;

std::string ComfyUi::version() const {
    return "1";
}

std::vector<std::string> ComfyUi::check_settings(const ConnectorSettings& given) {
    return settings_of(given).warnings;
}

void ComfyUi::initialize(const ConnectorSettings& given, ConnectorContext& context) {
    settings_ = settings_of(given);
    if (!given.files)
        throw ConfigurationError(
            "this worker does not take the files of results (its `hello` has no `files`), and this connector "
            "delivers none itself: it is for emprops-worker of the same version");
    for (const std::string& warning : settings_.warnings) {
        context.log("warn", warning);
    }
    const auto own =
        settings_.concurrency == Settings{}.concurrency ? std::nullopt : std::optional(settings_.concurrency);
    if (const std::string warning = own_concurrency_warning(given, own); !warning.empty())
        context.log("warn", warning);
    names_ = std::make_unique<PromptNames>(
        settings_.prompt_namespace.empty()
            ? prompt_scope(given.hub, given.worker_id, given.connector, given.work_dir)
            : given.hub + "\n" + settings_.prompt_namespace);
    remove_old_leases(given.work_dir);
    const std::string client_id = names_->client(given.instance);
    monitor_ = std::make_unique<Monitor>(settings_, context, boxes_, names_->space(), given.instance,
                                         given.work_dir);
    if (settings_.websocket) {
        SocketHandlers handlers;
        handlers.on_text = [this](std::string_view frame) { boxes_.on_text(frame); };
        handlers.on_binary = [this](std::string_view frame) { boxes_.on_binary(frame); };
        handlers.on_bytes = [this](std::size_t count) { boxes_.on_bytes(count); };
        handlers.on_state = [this, &context](bool up, const std::string& reason) {
            boxes_.on_state(up, reason);
            if (!up) monitor_->look_now();
            // One that ended is back soon; one that is refused or fails again and again is not.
            failures_ = up ? 0 : failures_ + 1;
            const bool refused = !up && reason.find("WebSocket handshake") != std::string::npos;
            if (up || refused || failures_ >= lasting_failures) monitor_->socket(up ? "" : reason);
            // Each try fails with the same words; people need them once.
            const bool news = refused && std::exchange(refusal_, reason) != reason;
            context.log(news ? "warn" : "debug",
                        up ? "WebSocket to ComfyUI is open"
                           : "WebSocket to ComfyUI: " + reason + (news ? "; polling instead" : ""));
        };
        socket_ = std::make_unique<Socket>(settings_, client_id, std::move(handlers));
    }
    if (!socket_) monitor_->socket("websocket is false");
    shared_ = std::make_unique<Shared>(Shared{settings_, *names_, client_id, given.connector, given.instance,
                                              given.work_dir, boxes_, times_, object_info_, deaths_,
                                              *monitor_, socket_.get(), *given.files, keeps_slot_});
}

Json ComfyUi::process_job(const Job& job, JobContext& context) {
    return process(*shared_, job, context);
}

void ComfyUi::shutdown() {
    socket_.reset();
    monitor_.reset();
}

}  // namespace emprops::comfyui
