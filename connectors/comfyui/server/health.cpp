#include "connectors/comfyui/server/health.h"

#include <algorithm>

namespace emprops::comfyui {
namespace {

constexpr Ms doubtful_for{60'000};       // so long a POST without an answer may still turn up
constexpr Ms interrupt_interval{5'000};  // of a prompt that does not let go
constexpr int dead_after = 3;            // times the limit of a prompt that blocks

}  // namespace

std::optional<ServiceStatus> Health::on_probe(const std::string& problem, bool gone) {
    problem_ = problem;
    if (gone) {
        gone_since_suspicion_ = true;
    } else if (problem.empty() && gone_since_suspicion_) {
        suspicion_.clear();
        gone_since_suspicion_ = false;
    }
    return changed();
}

std::optional<ServiceStatus> Health::on_suspicion(const RestartService& suspicion, TimePoint now) {
    if (suspicion_.empty() || suspicion.fault) suspicion_ = suspicion.reason;
    fault_ = fault_ || suspicion.fault;
    gone_since_suspicion_ = false;
    stuck_ = suspicion.running;
    suspicious_since_ = now;
    return changed();
}

std::optional<ServiceStatus> Health::on_queue(const Queue& queue, TimePoint now) {
    if (!suspicious() || fault_) return {};
    const bool goes_on = stuck_.empty()
                             ? !queue.running.empty() || now - suspicious_since_ >= lapse_
                             : std::none_of(queue.running.begin(), queue.running.end(),
                                            [&](const QueueItem& item) { return item.prompt_id == stuck_; });
    if (goes_on) suspicion_.clear();
    return changed();
}

std::optional<ServiceStatus> Health::on_lingering(const std::string& reason) {
    lingering_ = reason;
    return changed();
}

std::optional<ServiceStatus> Health::on_blocker(const std::string& reason) {
    blocker_ = reason;
    return changed();
}

std::optional<ServiceStatus> Health::on_disk(const std::string& problem) {
    disk_ = problem;
    return changed();
}

std::optional<ServiceStatus> Health::on_socket(const std::string& why_not) {
    no_socket_ = why_not;
    if (!told_) return {};  // the first probe has more to say
    return changed();
}

std::optional<ServiceStatus> Health::changed() {
    if (suspicion_.empty()) fault_ = false;
    ServiceStatus now;
    now.connected = problem_.empty();
    for (const std::string* reason : {&problem_, &suspicion_, &lingering_, &blocker_, &disk_}) {
        if (now.reason.empty()) now.reason = *reason;
    }
    now.available = now.reason.empty();
    if (now.available && !no_socket_.empty())
        now.reason = "works without ComfyUI's WebSocket and polls, so progress comes late: " + no_socket_;
    if (told_ == now) return {};
    told_ = now;
    return now;
}

void ProbePace::probed(bool answered, TimePoint now) {
    if (answered)
        silent_since_.reset();
    else if (!silent_since_)
        silent_since_ = now;
}

Ms ProbePace::pause(Ms usual, TimePoint now) const {
    const bool starting = silent_since_ && now - *silent_since_ < start_takes;
    return starting ? std::min(while_starting, usual) : usual;
}

void HeadWatch::look(const Queue& queue, const std::string& space, TimePoint now) {
    if (queue.running.empty() || is_ours(queue.running.front().mark, space)) return head_.reset();
    const QueueItem& running = queue.running.front();
    if (head_ && head_->prompt_id == running.prompt_id) return;
    head_ = Blocked{running.prompt_id, running.mark, now};
    sign_ = {};
    reported_ = false;
}

void HeadWatch::seen(const Blocked& blocked) {
    if (!head_ || head_->prompt_id != blocked.prompt_id) {
        head_ = blocked;
        sign_ = {};
        reported_ = false;
    }
    head_->since = std::min(head_->since, blocked.since);
}

void HeadWatch::sign(const std::string& prompt_id, TimePoint at) {
    if (head_ && head_->prompt_id == prompt_id) sign_ = std::max(sign_, at);
}

std::string HeadWatch::blocker(TimePoint now) const {
    if (!head_ || now - head_->since < limit_) return {};
    return owner_text(head_->prompt_id, head_->mark) + " has been the running one in ComfyUI for more than " +
           std::to_string(limit_.count() / 1000) + " s (no_progress_timeout)";
}

std::optional<RestartService> HeadWatch::dead(TimePoint now) {
    if (!head_ || reported_ || now - std::max(head_->since, sign_) < dead_after * limit_) return {};
    reported_ = true;
    return RestartService{
        "ComfyUI answers but its worker thread may be dead: " + owner_text(head_->prompt_id, head_->mark) +
            " has been the running one without a sign for " +
            std::to_string(dead_after * limit_.count() / 1000) + " s (three times no_progress_timeout)",
        false, head_->prompt_id};
}

void Orphans::unwanted(const std::string& prompt_id, bool doubtful, TimePoint now) {
    Unwanted& entry = unwanted_[prompt_id];
    entry.keep_until = std::max(entry.keep_until, doubtful ? now + doubtful_for : now);
}

std::vector<Orphan> Orphans::look(const Queue& queue, const std::string& space, int instance,
                                  const std::function<bool(const QueueItem&)>& has_job,
                                  const std::function<bool(const std::string&)>& waits_for, TimePoint now) {
    std::vector<Orphan> out;
    std::map<std::string, TimePoint> alone;
    std::set<std::string> there;
    lingering_.clear();
    const auto look_at = [&](const QueueItem& item, bool running) {
        there.insert(item.prompt_id);
        const auto known = unwanted_.find(item.prompt_id);
        // A job that came again has seen its prompt here, and is about to say so.
        if (known != unwanted_.end() && !known->second.first_interrupted && waits_for(item.prompt_id)) return;
        if (known == unwanted_.end()) {
            if (!is_ours(item.mark, space) || item.mark.value("instance", Json()) != Json(instance)) return;
            if (has_job(item)) return;
            const auto before = alone_since_.find(item.prompt_id);
            const TimePoint since = before == alone_since_.end() ? now : before->second;
            alone[item.prompt_id] = since;
            if (now - since < grace_) return;
        }
        Unwanted& entry = unwanted_[item.prompt_id];
        if (!running) {
            out.push_back({item.prompt_id, false, false});
            return;
        }
        if (entry.first_interrupted) lingering_ = item.prompt_id;
        if (entry.interrupted && now - *entry.interrupted < interrupt_interval) return;
        entry.interrupted = now;
        out.push_back({item.prompt_id, true, entry.first_interrupted.has_value()});
        if (!entry.first_interrupted) entry.first_interrupted = now;
    };
    for (const QueueItem& item : queue.running) {
        look_at(item, true);
    }
    for (const QueueItem& item : queue.pending) {
        look_at(item, false);
    }
    alone_since_ = std::move(alone);
    for (auto at = unwanted_.begin(); at != unwanted_.end();) {
        const bool over = there.count(at->first) == 0 && at->second.keep_until <= now;
        at = over ? unwanted_.erase(at) : std::next(at);
    }
    return out;
}

bool Orphans::stuck(TimePoint now) {
    const auto at = unwanted_.find(lingering_);
    if (at == unwanted_.end() || !at->second.first_interrupted || at->second.reported) return false;
    if (now - *at->second.first_interrupted < stuck_after_) return false;
    at->second.reported = true;
    return true;
}

Json describe_service(const Json& system_stats, std::optional<std::size_t> node_classes, const Json& models) {
    Json out = {{"supports_workflows", true}, {"supports_images", true}};
    const auto copy = [&](const char* pointer, const char* name) {
        const Json::json_pointer at(pointer);
        if (system_stats.is_object() && system_stats.contains(at) && !system_stats.at(at).is_null()) {
            out[name] = system_stats.at(at);
        }
    };
    copy("/system/comfyui_version", "version");
    copy("/system/pytorch_version", "pytorch_version");
    copy("/system/ram_total", "ram_total");
    Json devices = Json::array();
    if (system_stats.is_object() && system_stats.contains("devices") &&
        system_stats.at("devices").is_array()) {
        for (const Json& device : system_stats.at("devices")) {
            if (!device.is_object()) continue;
            Json entry = Json::object();
            for (const char* key : {"name", "type", "index", "vram_total", "vram_free"}) {
                if (device.contains(key)) entry[key] = device.at(key);
            }
            devices.push_back(std::move(entry));
        }
    }
    out["devices"] = std::move(devices);
    if (node_classes) out["node_classes"] = *node_classes;
    if (models.is_object() && !models.empty()) out["models"] = models;
    return out;
}

}  // namespace emprops::comfyui
