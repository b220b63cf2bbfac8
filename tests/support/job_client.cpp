#include "tests/support/job_client.h"

namespace emprops::test {

JobClient::JobClient(const TestHub& test_hub, HubClientOptions options, const std::string& id)
    : hub(test_hub.port(), HubRole::client, id, std::move(options)) {}

std::string JobClient::submit(const std::string& type, const Json& payload, const std::string& job_id) {
    Json message{{"type", "submit_job"}, {"job_type", type}, {"priority", 0}, {"payload", payload}};
    if (!job_id.empty()) message["message_id"] = job_id;
    hub.send(message);
    return hub.receive("job_accepted").at("job_id").get<std::string>();
}

Json JobClient::completed(const std::string& job_id, Ms deadline) {
    return hub.receive("complete_job", job_id, deadline).at("result");
}

std::string JobClient::failed(const std::string& job_id, Ms deadline) {
    return hub.receive("fail_job", job_id, deadline).at("error").get<std::string>();
}

void JobClient::progressed(const std::string& job_id) {
    const auto of_the_connector = [&](const Json& message) {
        return message.value("type", "") == "update_job_progress" && message.value("job_id", "") == job_id &&
               message.value("message", "") != "Starting job";
    };
    hub.receive(of_the_connector, std::chrono::seconds(20));
}

std::string wait_job_status(const TestHub& hub, const std::string& job_id, const std::string& status,
                            Ms deadline) {
    std::string last;
    wait_until(
        [&] {
            last = http_get(hub.port(), "/api/jobs/" + job_id).json().value("status", "");
            return last == status;
        },
        deadline);
    return last;
}

}  // namespace emprops::test
