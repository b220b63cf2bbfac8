#include "connectors/comfyui/health.h"

namespace emprops::comfyui {

std::optional<ServiceStatus> Health::on_probe(const std::string& problem) {
    problem_ = problem;
    if (!problem.empty()) {
        gone_since_suspicion_ = true;
    } else if (gone_since_suspicion_) {
        suspicion_.clear();
        gone_since_suspicion_ = false;
    }
    return changed();
}

std::optional<ServiceStatus> Health::on_suspicion(const std::string& reason) {
    suspicion_ = reason;
    gone_since_suspicion_ = false;
    return changed();
}

std::optional<ServiceStatus> Health::on_socket_lost() {
    if (suspicious()) gone_since_suspicion_ = true;
    return changed();
}

std::optional<ServiceStatus> Health::on_disk(const std::string& problem) {
    disk_ = problem;
    return changed();
}

std::optional<ServiceStatus> Health::changed() {
    ServiceStatus now;
    now.connected = problem_.empty();
    now.available = now.connected && suspicion_.empty() && disk_.empty();
    now.reason = !problem_.empty() ? problem_ : !suspicion_.empty() ? suspicion_ : disk_;
    if (told_ == now) return {};
    told_ = now;
    return now;
}

std::vector<Orphan> find_orphans(const Queue& queue, const std::string& space, int instance,
                                 const std::function<bool(const std::string&)>& wanted) {
    std::vector<Orphan> out;
    const auto look = [&](const std::vector<QueueItem>& items, bool running) {
        for (const QueueItem& item : items) {
            const bool ours = item.mark.is_object() && item.mark.value("space", Json()) == Json(space) &&
                              item.mark.value("instance", Json()) == Json(instance);
            if (ours && !wanted(item.prompt_id)) out.push_back({item.prompt_id, running});
        }
    };
    look(queue.running, true);
    look(queue.pending, false);
    return out;
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
