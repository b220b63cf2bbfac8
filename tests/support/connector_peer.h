#pragma once
// A connector process and the supervisor's side of its conversation, with the exact lines of the protocol.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/child_process.h"

namespace emprops::test {

/// A connector of ours, as the supervisor starts it.
inline ChildOptions connector_program(const std::string& name) {
    ChildOptions options;
    options.argv = {std::string(EMPROPS_BIN_DIR) + "/emprops-connector-" + name};
    options.env = {"EMPROPS_CONNECTOR=1"};
    return options;
}

/// The next message of a type; all that come before it are kept in `seen`, and it as well. Nothing: it does not come.
inline std::optional<nlohmann::json> next_message(ChildProcess& connector, const std::string& type,
                                                  Ms deadline, std::vector<nlohmann::json>& seen) {
    const auto line = connector.read_until(
        [&](const std::string& text) {
            nlohmann::json message = nlohmann::json::parse(text, nullptr, false);
            if (!message.is_object()) return false;
            seen.push_back(std::move(message));
            return seen.back().value("type", "") == type;
        },
        deadline);
    return line ? std::optional(seen.back()) : std::nullopt;
}

class ConnectorPeer : public ChildProcess {
  public:
    explicit ConnectorPeer(const nlohmann::json& settings = nlohmann::json::object(),
                           const std::string& name = "simulation")
        : ConnectorPeer(connector_program(name), settings) {}
    ConnectorPeer(ChildOptions options, const nlohmann::json& settings,
                  nlohmann::json hello = nlohmann::json::object())
        : ChildProcess(std::move(options)) {
        hello.update({{"type", "hello"}, {"worker_id", "w"}, {"connector", "c"}, {"settings", settings}});
        if (!hello.contains("protocol_versions")) hello["protocol_versions"] = {1};
        write_line(hello.dump());
    }

    void job(const std::string& id, const std::string& payload = "{}", const std::string& more = "") {
        write_line(R"({"type":"job","job_id":")" + id + R"(","job_type":"simulation")" + more +
                   R"(,"payload":)" + payload + "}");
    }
    void send(const nlohmann::json& message) { write_line(message.dump()); }

    /// The next message of a type; all before it are kept in `seen`.
    nlohmann::json next(const std::string& type, Ms deadline = Ms(10'000)) {
        const auto message = next_message(*this, type, deadline, seen);
        return message.value_or(nlohmann::json{{"missing", type}, {"stderr", stderr_text()}});
    }
    nlohmann::json ready() { return next("ready"); }

    std::vector<nlohmann::json> seen;
};

}  // namespace emprops::test
