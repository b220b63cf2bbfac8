#include "tests/support/comfyui_recording.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

namespace emprops::test {
namespace {

using Json = nlohmann::json;

std::string read_all(const std::filesystem::path& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("no fixture " + path.string());
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::filesystem::path folder() {
    return std::filesystem::path(EMPROPS_FIXTURES) / "comfyui";
}

bool mentions(const Json& message, const std::string& id) {
    return message.contains("data") && message["data"].is_object() && message["data"].contains("prompt_id") &&
           message["data"]["prompt_id"] == id;
}

/// Notes in the recordings that say that the server's process ended.
bool server_ends(const std::string& note) {
    return note == "process is gone" || note == "SIGKILL" || note == "SIGTERM" ||
           note == "end seen: False, socket closed: True";
}

/// What the history would have said, from what the socket said.
Json history_from_messages(const RecordedPrompt& prompt) {
    Json outputs = Json::object();
    Json messages = Json::array();
    std::string status;
    for (const RecordedMessage& recorded : prompt.messages) {
        const Json message = Json::parse(recorded.text, nullptr, false);
        if (message.is_discarded()) continue;
        const std::string type = message["type"];
        if (type == "executed" && message["data"]["output"].is_object()) {
            for (const auto& [key, value] : message["data"]["output"].items()) {
                Json& into = outputs[message["data"]["node"].get<std::string>()][key];
                if (into.is_array() && value.is_array()) {
                    into.insert(into.end(), value.begin(), value.end());
                } else {
                    into = value;
                }
            }
        }
        const bool blocked = message["data"].value("exception_type", "") == "ExecutionBlocked";
        if (type.rfind("execution_", 0) == 0 && !blocked) messages.push_back({type, message["data"]});
        if (type == "execution_success") status = "success";
        if ((type == "execution_error" && !blocked) || type == "execution_interrupted") status = "error";
    }
    if (status.empty()) return nullptr;
    return {
        {"prompt",
         {0, prompt.id, prompt.request.is_object() ? prompt.request.value("prompt", Json::object()) : Json(),
          Json::object(), Json::array()}},
        {"outputs", outputs},
        {"meta", Json::object()},
        {"status", {{"status_str", status}, {"completed", status == "success"}, {"messages", messages}}}};
}

}  // namespace

std::vector<std::string> recording_names() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder() / "recordings")) {
        if (entry.path().extension() == ".jsonl") names.push_back(entry.path().stem().string());
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::string load_workflow(const std::string& name) {
    return read_all(folder() / "workflows" / (name + ".json"));
}

namespace {

std::vector<RecordedPrompt> read_recording(const std::string& name) {
    std::vector<Json> lines;
    std::istringstream text(read_all(folder() / "recordings" / (name + ".jsonl")));
    for (std::string line; std::getline(text, line);) {
        if (!line.empty()) lines.push_back(Json::parse(line));
    }
    std::map<int, Json> requests;
    std::vector<RecordedPrompt> prompts;
    std::vector<double> posted;
    for (const Json& line : lines) {
        if (line["kind"] == "http-request") requests[line["req"].get<int>()] = line;
        if (line["kind"] != "http-response" || !line.contains("req") ||
            requests.count(line["req"].get<int>()) == 0)
            continue;
        const Json& request = requests[line["req"].get<int>()];
        const std::string path = request.value("path", "");
        if (request.value("method", "") != "POST" || (path != "/prompt" && path != "/api/prompt")) continue;
        RecordedPrompt prompt;
        if (request.contains("json")) prompt.request = request["json"];
        if (request.contains("text"))
            prompt.request = Json::parse(request["text"].get<std::string>(), nullptr, false);
        if (prompt.request.is_discarded()) prompt.request = nullptr;
        prompt.status = line.value("status", 0L);
        prompt.answered = line["t"].get<double>() - request["t"].get<double>();
        prompt.answer = line.contains("json") ? line["json"].dump() : line.value("text", "");
        if (line.contains("json") && line["json"].is_object() && line["json"].contains("prompt_id")) {
            prompt.id = line["json"]["prompt_id"].get<std::string>();
        }
        prompts.push_back(std::move(prompt));
        posted.push_back(request["t"]);
    }
    for (std::size_t i = 0; i < prompts.size(); ++i) {
        RecordedPrompt& prompt = prompts[i];
        if (prompt.id.empty()) continue;
        std::set<std::string> seen;
        for (const Json& line : lines) {
            const double t = line["t"].get<double>() - posted[i];
            if (line["kind"] == "ws" && line.value("dir", "") == "server->client") {
                std::string frame;
                if (line.contains("message") && line["message"].is_object() &&
                    mentions(line["message"], prompt.id)) {
                    frame = line["message"].dump();
                } else if (line.contains("text") &&
                           line["text"].get<std::string>().find(prompt.id) != std::string::npos) {
                    frame = line["text"];
                }
                if (frame.empty() || !seen.insert(frame).second) continue;
                const bool end = frame.find("\"execution_success\"") != std::string::npos ||
                                 frame.find("\"execution_interrupted\"") != std::string::npos ||
                                 (frame.find("\"execution_error\"") != std::string::npos &&
                                  frame.find("ExecutionBlocked") == std::string::npos) ||
                                 frame.find("\"node\":null,\"prompt_id\"") != std::string::npos;
                if (end) prompt.ended = t;
                prompt.messages.push_back({t, std::move(frame)});
            }
            if (line["kind"] == "http-response" && line.contains("json") && line["json"].is_object() &&
                line["json"].contains(prompt.id) && line["json"][prompt.id].is_object() &&
                line["json"][prompt.id].contains("outputs")) {
                prompt.history = line["json"][prompt.id];
                if (!prompt.ended) prompt.ended = t;
            }
            if (line["kind"] == "http-request" && line.value("path", "") == "/queue" &&
                line.value("method", "") == "POST" && line.contains("json") && t > 0) {
                const Json& body = line["json"];
                const bool named = body.contains("delete") && body["delete"].is_array() &&
                                   std::find(body["delete"].begin(), body["delete"].end(), prompt.id) !=
                                       body["delete"].end();
                if ((named || body.contains("clear")) && !prompt.vanished) prompt.vanished = t;
            }
            const bool gone = line["kind"] == "note" && server_ends(line["text"]);
            if (gone && t > 0 && !prompt.vanished) prompt.vanished = t;
        }
        if (prompt.ended) prompt.vanished.reset();
        if (prompt.history.is_null() && prompt.ended) prompt.history = history_from_messages(prompt);
    }
    return prompts;
}

}  // namespace

std::vector<RecordedPrompt> load_recording(const std::string& name) {
    static std::map<std::string, std::vector<RecordedPrompt>>
        read;  // some are asked for often, and are large
    const auto [at, fresh] = read.try_emplace(name);
    if (fresh) at->second = read_recording(name);
    return at->second;
}

}  // namespace emprops::test
