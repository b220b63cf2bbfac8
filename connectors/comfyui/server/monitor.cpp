#include "connectors/comfyui/server/monitor.h"

#include <filesystem>

#include "connectors/comfyui/server/lease.h"
#include "connectors/comfyui/text/errors.h"
#include "ipc/text/people.h"
#include "ipc/text/percent.h"

namespace emprops::comfyui {
namespace {

constexpr Ms probe_timeout{20'000};       // ComfyUI's Python can be held up for long; slow is not dead
constexpr Ms suspicious_interval{1'000};  // a restart must not be missed
constexpr Ms queue_interval{15'000};
constexpr int probes_left_out = 24;       // while a prompt of ours runs and is heard
constexpr Ms capabilities_limit{60'000};  // for all requests together
constexpr std::size_t max_models_per_folder = 200;

}  // namespace

Monitor::Monitor(const Settings& settings, ConnectorContext& context, const Mailboxes& boxes,
                 std::string space, int instance, std::string work_dir)
    : settings_(settings),
      context_(context),
      boxes_(boxes),
      space_(std::move(space)),
      instance_(instance),
      work_dir_(std::move(work_dir)),
      api_(settings, [this] { return stop_.load(); }),
      health_(settings.stuck_timeout),
      orphans_(settings.orphan_grace, settings.stuck_timeout),
      head_(settings.limits.no_progress) {
    thread_ = std::thread([this] { run(); });
}

Monitor::~Monitor() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    condition_.notify_all();
    thread_.join();
}

void Monitor::tell(const std::optional<ServiceStatus>& status) {
    if (!status) return;
    context_.set_status(status->connected, status->available, status->reason, "comfyui",
                        {{"url", settings_.server.text()}});
    const std::string& reason = status->reason;
    context_.log(reason.empty() ? "info" : "warn",
                 !status->available ? "no jobs for now: " + reason
                                    : "ComfyUI at " + settings_.server.text() + " is ready" +
                                          (reason.empty() ? "" : "; the connector " + reason));
}

void Monitor::suspect(const RestartService& suspicion) {
    context_.restart_service(suspicion.reason);
    {
        const std::lock_guard lock(mutex_);
        tell(health_.on_suspicion(suspicion, Clock::now()));
        hurry_ = true;
    }
    condition_.notify_all();
}

void Monitor::blocked(const Blocked& by) {
    const std::lock_guard lock(mutex_);
    head_.seen(by);
    tell(health_.on_blocker(head_.blocker(Clock::now())));
}

void Monitor::see_off(const std::vector<std::string>& prompt_ids, bool doubtful) {
    {
        const std::lock_guard lock(mutex_);
        for (const std::string& id : prompt_ids) {
            orphans_.unwanted(id, doubtful, Clock::now());
        }
        hurry_ = true;
    }
    condition_.notify_all();
}

void Monitor::keep(const std::string& prompt_id) {
    const std::lock_guard lock(mutex_);
    orphans_.wanted(prompt_id);
}

void Monitor::look_now() {
    {
        const std::lock_guard lock(mutex_);
        hurry_ = true;
    }
    condition_.notify_all();
}

void Monitor::socket(const std::string& why_not) {
    const std::lock_guard lock(mutex_);
    tell(health_.on_socket(why_not));
}

void Monitor::run() {
    while (!stop_) {
        const TimePoint now = Clock::now();
        const bool asks = !quiet(now);
        if (asks) {
            looked_at_ = now;
            probe();
        }
        check_disk();
        if (asks) look_at_queue();
        std::unique_lock lock(mutex_);
        const Ms usual = pace_.pause(settings_.status_interval, Clock::now());
        const Ms pause =
            health_.suspicious() || orphans_.any_unwanted() ? std::min(suspicious_interval, usual) : usual;
        condition_.wait_for(lock, pause, [this] { return stop_ || hurry_; });
    }
}

/// While a prompt of ours runs and the WebSocket tells of it, ComfyUI lives and has no time for questions.
bool Monitor::quiet(TimePoint now) {
    const bool heard = !running_.empty() && boxes_.socket_up() && boxes_.waits_for(running_);
    const std::lock_guard lock(mutex_);
    if (std::exchange(hurry_, false) || health_.suspicious() || orphans_.any_unwanted()) return false;
    return heard && now - looked_at_ < settings_.status_interval * probes_left_out;
}

void Monitor::probe() {
    auto answer = api_.get_json("/system_stats", std::min(settings_.limits.response, probe_timeout));
    if (stop_) return;
    pace_.probed(std::holds_alternative<Json>(answer), Clock::now());
    std::string problem;
    bool gone = false;
    if (const auto* denied = std::get_if<AccessDenied>(&answer)) {
        problem = denied->what;
    } else if (const auto* unreachable = std::get_if<Unreachable>(&answer)) {
        problem = "ComfyUI at " + settings_.server.text() + " does not answer: " + unreachable->what;
        gone = unreachable->gone;
    } else if (!std::get<Json>(answer).is_object() || !std::get<Json>(answer).contains("system")) {
        problem =
            "what answers at " + settings_.server.text() + " is no ComfyUI; check server_url and path_prefix";
    }
    {
        const std::lock_guard lock(mutex_);
        tell(health_.on_probe(problem, gone));
        if (gone) {
            head_.gone();
            tell(health_.on_blocker(""));
        }
    }
    if (gone) capabilities_at_ = {};  // another ComfyUI may come back
    // The request takes long and holds up ComfyUI: once at the start, then rarely and only while no job runs.
    const TimePoint now = Clock::now();
    if (problem.empty() && now >= capabilities_at_ && (last_capabilities_.is_null() || boxes_.empty())) {
        capabilities_at_ = now + settings_.capabilities_interval;
        refresh_capabilities(std::get<Json>(answer));
    }
}

void Monitor::refresh_capabilities(const Json& system_stats) {
    const TimePoint deadline = Clock::now() + capabilities_limit;
    bool interrupted = false;  // by a job, which comes first: what is missing is asked for when none runs
    const auto ask = [&](const std::string& path) -> std::optional<Json> {
        interrupted = interrupted || !boxes_.empty();
        const auto left = std::chrono::duration_cast<Ms>(deadline - Clock::now());
        if (stop_ || interrupted || left < Ms{1}) return {};
        auto answer = api_.get_json(path, std::min(settings_.limits.response, left));
        auto* value = std::get_if<Json>(&answer);
        if (value == nullptr) return {};
        return std::move(*value);
    };
    std::optional<std::size_t> classes;
    if (const auto info = ask("/object_info"); info && info->is_object()) classes = info->size();
    Json models = Json::object();
    const auto folders = ask("/models");
    if (folders && folders->is_array()) {
        for (const Json& folder : *folders) {
            if (!folder.is_string() || models.size() >= 50) continue;
            const std::string name = folder;
            if (name == "custom_nodes" || name == "configs") continue;
            auto names = ask("/models/" + text::percent_encode(name));
            if (!names || !names->is_array() || names->empty()) continue;
            while (names->size() > max_models_per_folder) {
                names->erase(names->size() - 1);
            }
            models[name] = std::move(*names);
        }
    }
    if (stop_) return;
    if (interrupted) {
        capabilities_at_ = Clock::now() + std::min(settings_.capabilities_interval, capabilities_limit);
        if (!last_capabilities_.is_null()) return;
    }
    Json now = describe_service(system_stats, classes, models);
    if (now == last_capabilities_) return;
    last_capabilities_ = now;
    context_.update_capabilities(now);
}

void Monitor::check_disk() {
    if (settings_.min_free_bytes == 0) return;
    std::string problem;
    for (const std::string& folder : {work_dir_, settings_.comfyui_folder}) {
        if (folder.empty() || !problem.empty()) continue;
        std::error_code error;
        const auto space = std::filesystem::space(folder, error);
        if (error) {
            if (folder == settings_.comfyui_folder)
                problem = "comfyui_folder " + folder + " cannot be read: " + error.message();
        } else if (space.available < settings_.min_free_bytes) {
            problem = "the disk of " + folder + " has " + human_bytes(space.available) +
                      " left; min_free_bytes wants " + human_bytes(settings_.min_free_bytes);
        }
    }
    const std::lock_guard lock(mutex_);
    tell(health_.on_disk(problem));
}

void Monitor::look_at_queue() {
    const TimePoint now = Clock::now();
    {
        const std::lock_guard lock(mutex_);
        // Whole queues can be large, so not with each probe.
        const bool urgent =
            hurry_ || health_.suspicious() || orphans_.any_unwanted() || !head_.blocker(now).empty();
        if (!urgent && now < queue_at_) return;
        queue_at_ = now + std::min(queue_interval, std::max(settings_.orphan_grace / 3, Ms{100}));
    }
    const auto answer = api_.queue();
    const auto* queue = std::get_if<Queue>(&answer);
    running_.clear();
    if (queue == nullptr || stop_) return;
    if (queue->running.size() == 1 && boxes_.waits_for(queue->running.front().prompt_id))
        running_ = queue->running.front().prompt_id;
    // Another instance may have resumed the job that this prompt was sent for.
    const auto has_job = [&](const QueueItem& item) {
        const std::string job = item.mark.is_object() && item.mark.value("job_id", Json()).is_string()
                                    ? item.mark.at("job_id").get<std::string>()
                                    : std::string();
        return boxes_.waits_for(item.prompt_id) || boxes_.has_job(job) || is_leased(work_dir_, job);
    };
    std::vector<Orphan> remove;
    bool stuck = false;
    std::string lingering;
    std::optional<RestartService> dead;
    {
        const std::lock_guard lock(mutex_);
        tell(health_.on_queue(*queue, now));
        head_.look(*queue, space_, now);
        const Mailboxes::Sign sign = boxes_.last_foreign_sign();
        head_.sign(sign.prompt_id, sign.at);
        tell(health_.on_blocker(head_.blocker(now)));
        dead = head_.dead(now);
        remove = orphans_.look(
            *queue, space_, instance_, has_job, [&](const std::string& id) { return boxes_.waits_for(id); },
            now);
        stuck = orphans_.stuck(now);
        lingering = orphans_.lingering();
        tell(health_.on_lingering(lingering.empty()
                                      ? ""
                                      : "the withdrawn prompt " + lingering +
                                            " still runs in ComfyUI although it was interrupted"));
    }
    for (const Orphan& orphan : remove) {
        // One that does not let go is interrupted again and again; people need it once.
        if (!orphan.again)
            context_.log("info", "removing a prompt of ours that no job waits for",
                         {{"prompt_id", orphan.prompt_id}});
        if (api_.cancel(orphan.prompt_id) != CancelAnswer::unknown_call) continue;
        // Only what the queue just showed as running is interrupted: old servers stop whatever runs.
        if (orphan.running) {
            api_.interrupt(orphan.prompt_id);
        } else {
            api_.remove_pending(orphan.prompt_id);
        }
    }
    if (stuck) {
        suspect({"ComfyUI answers but its worker thread does not: the prompt " + lingering +
                     " could not be interrupted within stuck_timeout (" +
                     human_duration(settings_.stuck_timeout) + ")",
                 false, lingering});
    }
    if (dead) suspect(*dead);
}

}  // namespace emprops::comfyui
