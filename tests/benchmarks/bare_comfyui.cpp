#include "tests/benchmarks/bare_comfyui.h"

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace emprops::bench {

using Json = nlohmann::json;

BareClient::BareClient(std::uint16_t port) : http_(connect_loopback(port)), socket_(connect_loopback(port)) {
    open_websocket(socket_, "/ws?clientId=bare", from_socket_);
}

BareClient::~BareClient() {
    ::close(http_);
    ::close(socket_);
}

void BareClient::run(const std::string& graph, std::size_t file_bytes) {
    const std::string id = send(graph);
    wait_end(id);
    const Json history = Json::parse(call("GET", "/history/" + id, ""));
    const auto& file = history.at(id).at("outputs").at("2").at("images").at(0);
    const std::string content = call(
        "GET", "/view?filename=" + file.at("filename").get<std::string>() + "&subfolder=&type=output", "");
    if (content.size() != file_bytes)
        throw std::runtime_error("another file came: " + content.substr(0, 200));
}

std::string BareClient::send(const std::string& graph) {
    const std::string answer = call("POST", "/prompt", R"({"client_id":"bare","prompt":)" + graph + "}");
    return Json::parse(answer).at("prompt_id").get<std::string>();
}

void BareClient::wait_end(const std::string& id) {
    bool ended = false;
    while (!ended) {
        reader_.take(from_socket_, [&](std::string_view message) {
            ended = ended || (message.find("\"node\":null") != std::string_view::npos &&
                              message.find(id) != std::string_view::npos);
        });
        if (!ended && !read_some(socket_, from_socket_, 64 * 1024))
            throw std::runtime_error("ComfyUI has closed the WebSocket");
    }
}

std::string BareClient::call(const char* verb, const std::string& target, const std::string& body) {
    write_all(http_,
              std::string(verb) + " " + target +
                  " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: " +
                  std::to_string(body.size()) + "\r\n\r\n" + body);
    std::string answer;
    const auto read_more = [&] {
        if (!read_some(http_, answer, 64 * 1024)) throw std::runtime_error("no answer to " + target);
    };
    while (answer.find("\r\n\r\n") == std::string::npos)
        read_more();
    const std::size_t head = answer.find("\r\n\r\n") + 4;
    const std::string length = "Content-Length: ";
    const std::size_t at = answer.find(length);
    if (at > head) throw std::runtime_error("an answer without its length to " + target + ": " + answer);
    const std::size_t size = std::stoul(answer.substr(at + length.size()));
    while (answer.size() < head + size)
        read_more();
    return answer.substr(head);
}

}  // namespace emprops::bench
