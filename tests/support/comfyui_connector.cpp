#include "tests/support/comfyui_connector.h"

#include <filesystem>
#include <functional>

#include "tests/support/connector_peer.h"
#include "tests/support/played_delivery.h"

namespace emprops::test {

using Json = nlohmann::json;

ComfyConnector::ComfyConnector(const std::string& server_url, Json settings, const std::string& work_root,
                               int instance, const std::string& hub, std::optional<int> concurrency)
    : work_root_(work_root.empty() ? folder_.path().string() : work_root), instance_(instance) {
    const Json defaults = {{"server_url", server_url},        {"polling_interval", "200ms"},
                           {"status_interval", "100ms"},      {"connect_timeout", "2s"},
                           {"response_timeout", "5s"},        {"unreachable_timeout", "8s"},
                           {"no_progress_timeout", "1500ms"}, {"cancel_timeout", "3s"}};
    for (const auto& [key, value] : defaults.items()) {
        if (!settings.contains(key)) settings[key] = value;
    }
    const std::string work_dir = work_root_ + "/" + std::to_string(instance);
    std::filesystem::create_directories(work_dir);
    ChildOptions options;
    options.argv = {std::string(EMPROPS_BIN_DIR) + "/emprops-connector-comfyui"};
    options.env = {"EMPROPS_CONNECTOR=1"};
    child_ = std::make_unique<ChildProcess>(std::move(options));
    Json hello{{"type", "hello"},
               {"protocol_versions", {1}},
               {"worker_id", "test-0a1b2c3d"},
               {"connector", "comfyui"},
               {"instance", instance},
               {"hub", hub},
               {"settings", settings},
               {"max_line_bytes", 24 << 20},
               {"files", offer_of_files()},
               {"work_dir", work_dir},
               {"heartbeat", {{"interval_ms", 10000}, {"missed", 3}}}};
    if (concurrency) hello["concurrency"] = *concurrency;
    child_->write_line(hello.dump());
}

std::optional<Json> ComfyConnector::next(const std::string& type, Ms deadline) {
    return next_message(*child_, type, deadline, seen);
}

bool ComfyConnector::wait_available(Ms deadline) {
    const auto until = std::chrono::steady_clock::now() + deadline;
    while (std::chrono::steady_clock::now() < until) {
        const auto status =
            next("status", std::chrono::duration_cast<Ms>(until - std::chrono::steady_clock::now()));
        if (status && status->value("available", false)) return true;
    }
    return false;
}

bool ComfyConnector::wait_unavailable(Ms deadline) {
    const auto until = std::chrono::steady_clock::now() + deadline;
    while (std::chrono::steady_clock::now() < until) {
        const auto status =
            next("status", std::chrono::duration_cast<Ms>(until - std::chrono::steady_clock::now()));
        if (status && !status->value("available", true)) return true;
    }
    return false;
}

void ComfyConnector::give(const std::string& job_id, const Json& payload, bool resume) {
    give_text(job_id, payload.dump(), resume);
}

void ComfyConnector::give_text(const std::string& job_id, const std::string& payload, bool resume) {
    const std::string work_dir =
        work_root_ + "/" + std::to_string(instance_) + "/" + std::to_string(std::hash<std::string>{}(job_id));
    std::filesystem::create_directories(work_dir);
    std::string head = Json{
        {"job_id", job_id},
        {"job_type", "comfyui"},
        {"attempt", resume ? 2 : 1},
        {"resume", resume},
        {"work_dir",
         work_dir}}.dump();
    head.pop_back();
    child_->write_line("{\"type\":\"job\"," + head.substr(1) + ",\"payload\":" + payload + "}");
}

void ComfyConnector::cancel(const std::string& job_id) {
    child_->write_line(Json{{"type", "cancel"}, {"job_id", job_id}, {"reason", "test"}}.dump());
}

Json ComfyConnector::outcome(const std::string& job_id, Ms deadline) {
    const auto until = std::chrono::steady_clock::now() + deadline;
    while (true) {
        const auto left = std::chrono::duration_cast<Ms>(until - std::chrono::steady_clock::now());
        const auto line = left > Ms(0) ? child_->read_line(left) : std::nullopt;
        if (!line) return {{"type", "nothing came"}, {"stderr", child_->stderr_text()}};
        Json message = Json::parse(*line, nullptr, false);
        if (!message.is_object()) continue;
        seen.push_back(message);
        const std::string type = message.value("type", "");
        if ((type == "result" || type == "failed") && message.value("job_id", "") == job_id)
            return with_delivered_files(std::move(message));
    }
}

}  // namespace emprops::test
