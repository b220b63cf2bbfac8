#include "connectors/comfyui/monitor.h"

#include <filesystem>

#include "connectors/comfyui/errors.h"

namespace emprops::comfyui {
namespace {

constexpr Ms probe_timeout{20'000};       // ComfyUI's Python can be held up for long; slow is not dead
constexpr Ms suspicious_interval{1'000};  // a restart must not be missed
constexpr std::size_t max_models_per_folder = 200;

}  // namespace

Monitor::Monitor(const Settings& settings, ConnectorContext& context, const Mailboxes& boxes,
                 std::string space, int instance)
    : settings_(settings),
      context_(context),
      boxes_(boxes),
      space_(std::move(space)),
      instance_(instance),
      api_(settings),
      began_(std::chrono::steady_clock::now()),
      capabilities_at_(began_) {
    thread_ = std::thread([this] { run(); });
}

Monitor::~Monitor() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    condition_.notify_all();
    thread_.join();
}

void Monitor::tell(const std::optional<ServiceStatus>& status) {
    if (!status) return;
    context_.set_status(status->connected, status->available, status->reason, "comfyui",
                        {{"url", settings_.server.text()}});
    context_.log(status->available ? "info" : "warn",
                 status->available ? "ComfyUI at " + settings_.server.text() + " is ready"
                                   : "no jobs for now: " + status->reason);
}

void Monitor::suspect(const std::string& reason) {
    context_.restart_service(reason);
    {
        const std::lock_guard lock(mutex_);
        tell(health_.on_suspicion(reason));
        hurry_ = true;
    }
    condition_.notify_all();
}

void Monitor::see_off(const std::string& prompt_id) {
    {
        const std::lock_guard lock(mutex_);
        unwanted_.insert(prompt_id);
        hurry_ = true;
    }
    condition_.notify_all();
}

void Monitor::socket_lost() {
    const std::lock_guard lock(mutex_);
    tell(health_.on_socket_lost());
    hurry_ = true;
    condition_.notify_all();
}

void Monitor::run() {
    while (true) {
        probe();
        check_disk();
        see_orphans_off();
        std::unique_lock lock(mutex_);
        const Ms pause =
            health_.suspicious() || !unwanted_.empty() ? suspicious_interval : settings_.status_interval;
        condition_.wait_for(lock, pause, [this] { return stopping_ || hurry_; });
        hurry_ = false;
        if (stopping_) return;
    }
}

void Monitor::probe() {
    auto answer = api_.get_json("/system_stats", std::min(settings_.limits.response, probe_timeout));
    std::string problem;
    if (const auto* denied = std::get_if<AccessDenied>(&answer)) {
        problem = access_failure(denied->status, settings_.server.text()).message;
    } else if (const auto* unreachable = std::get_if<Unreachable>(&answer)) {
        problem = "ComfyUI at " + settings_.server.text() + " does not answer: " + unreachable->what;
    } else if (!std::get<Json>(answer).is_object() || !std::get<Json>(answer).contains("system")) {
        problem =
            "what answers at " + settings_.server.text() + " is no ComfyUI; check server_url and path_prefix";
    }
    if (problem.empty()) {
        const TimePoint now = std::chrono::steady_clock::now();
        if (now >= capabilities_at_) {
            capabilities_at_ = now + settings_.capabilities_interval;
            refresh_capabilities(std::get<Json>(answer));
        }
    }
    const std::lock_guard lock(mutex_);
    tell(health_.on_probe(problem));
}

void Monitor::refresh_capabilities(const Json& system_stats) {
    std::optional<std::size_t> classes;
    const auto info = api_.get_json("/object_info", settings_.limits.response);
    if (const auto* value = std::get_if<Json>(&info); value != nullptr && value->is_object())
        classes = value->size();
    Json models = Json::object();
    const auto folders = api_.get_json("/models", settings_.limits.response);
    if (const auto* list = std::get_if<Json>(&folders); list != nullptr && list->is_array()) {
        for (const Json& folder : *list) {
            if (!folder.is_string() || models.size() >= 50) continue;
            const std::string name = folder;
            if (name == "custom_nodes" || name == "configs") continue;
            auto files = api_.get_json("/models/" + percent_encode(name), settings_.limits.response);
            auto* names = std::get_if<Json>(&files);
            if (names == nullptr || !names->is_array() || names->empty()) continue;
            while (names->size() > max_models_per_folder) {
                names->erase(names->size() - 1);
            }
            models[name] = std::move(*names);
        }
    }
    Json now = describe_service(system_stats, classes, models);
    if (now == last_capabilities_) return;
    last_capabilities_ = now;
    context_.update_capabilities(now);
}

void Monitor::check_disk() {
    if (settings_.comfyui_folder.empty() || settings_.min_free_bytes == 0) return;
    std::error_code error;
    const auto space = std::filesystem::space(settings_.comfyui_folder, error);
    std::string problem;
    if (error) {
        problem = "comfyui_folder " + settings_.comfyui_folder + " cannot be read: " + error.message();
    } else if (space.available < settings_.min_free_bytes) {
        problem = "the disk of " + settings_.comfyui_folder + " has " +
                  std::to_string(space.available >> 20) + " MiB left; min_free_bytes wants " +
                  std::to_string(settings_.min_free_bytes >> 20) + " MiB";
    }
    const std::lock_guard lock(mutex_);
    tell(health_.on_disk(problem));
}

void Monitor::see_orphans_off() {
    std::set<std::string> unwanted;
    {
        const std::lock_guard lock(mutex_);
        unwanted = unwanted_;
    }
    // A job that is resumed after our start may still come for its prompt.
    const bool grace_over = std::chrono::steady_clock::now() - began_ >= settings_.orphan_grace;
    if (unwanted.empty() && !grace_over) return;
    const auto answer = api_.queue();
    const auto* queue = std::get_if<Queue>(&answer);
    if (queue == nullptr) return;
    const auto wanted = [&](const std::string& id) {
        return unwanted.count(id) == 0 && (!grace_over || boxes_.waits_for(id));
    };
    const auto orphans = find_orphans(*queue, space_, instance_, wanted);
    std::set<std::string> left;
    for (const Orphan& orphan : orphans) {
        left.insert(orphan.prompt_id);
        context_.log("info", "removing a prompt of ours that no job waits for",
                     {{"prompt_id", orphan.prompt_id}});
        // Only what the queue just showed as running is interrupted: old servers stop whatever runs.
        if (orphan.running) {
            api_.interrupt(orphan.prompt_id);
        } else {
            api_.remove_pending(orphan.prompt_id);
        }
    }
    const std::lock_guard lock(mutex_);
    for (const std::string& id : unwanted) {
        if (left.count(id) == 0) unwanted_.erase(id);
    }
}

}  // namespace emprops::comfyui
