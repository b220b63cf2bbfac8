#include "tests/support/courier_process.h"

#include "tests/support/connector_peer.h"

namespace emprops::test {

using Json = nlohmann::json;

CourierProcess::CourierProcess(Json settings) {
    if (!settings.contains("spool")) settings["spool"] = spool_.path().string();
    ChildOptions options;
    options.argv = {std::string(EMPROPS_BIN_DIR) + "/emprops-connector-courier"};
    options.env = {"EMPROPS_CONNECTOR=1"};
    child_ = std::make_unique<ChildProcess>(std::move(options));
    child_->write_line(Json{{"type", "hello"},
                            {"protocol_versions", {1}},
                            {"worker_id", "test-0a1b2c3d"},
                            {"connector", "courier"},
                            {"instance", 0},
                            {"settings", settings},
                            {"max_line_bytes", 24 << 20},
                            {"work_dir", spool_.path().string()},
                            {"heartbeat", {{"interval_ms", 10000}, {"missed", 3}}}}
                           .dump());
}

void CourierProcess::deliver(const std::string& job_id, const Json& payload) {
    ready_ = ready_ || next("ready");
    child_->write_line(Json{
        {"type", "job"},
        {"job_id", job_id},
        {"job_type", "deliver"},
        {"priority", 0},
        {"attempt", 1},
        {"payload",
         payload}}.dump());
}

void CourierProcess::cancel(const std::string& job_id) {
    child_->write_line(Json{{"type", "cancel"}, {"job_id", job_id}, {"reason", "nobody wants it"}}.dump());
}

std::optional<Json> CourierProcess::next(const std::string& type, Ms deadline) {
    return next_message(*child_, type, deadline, seen);
}

Json CourierProcess::outcome(const std::string& job_id, Ms deadline) {
    const auto is_end = [&](const Json& message) {
        const std::string type = message.value("type", "");
        return (type == "result" || type == "failed") && message.value("job_id", "") == job_id;
    };
    for (const Json& message : seen)
        if (is_end(message)) return message;
    const auto until = std::chrono::steady_clock::now() + deadline;
    while (true) {
        const auto left = std::chrono::duration_cast<Ms>(until - std::chrono::steady_clock::now());
        const auto line = left > Ms(0) ? child_->read_line(left) : std::nullopt;
        if (!line) return {{"type", "nothing came"}};
        Json message = Json::parse(*line, nullptr, false);
        if (!message.is_object()) continue;
        seen.push_back(message);
        if (is_end(message)) return message;
    }
}

}  // namespace emprops::test
