#include "supervisor/control/client.h"

#include <fmt/format.h>

#include "ipc/json_text.h"
#include "ipc/web/transfer.h"

namespace emprops::control {
namespace {

void address(web::Transfer& transfer, const std::filesystem::path& socket, const std::string& path) {
    // The host name is only for the request line; the socket decides who answers.
    transfer.set(CURLOPT_URL, "http://emprops-worker" + path);
    transfer.set(CURLOPT_UNIX_SOCKET_PATH, socket.string());
    transfer.set(CURLOPT_NOPROXY, "*");
    transfer.set(CURLOPT_CONNECTTIMEOUT_MS, 5000L);
}

Result<ipc::Json> read_answer(long status, const std::string& text) {
    auto json = ipc::Json::parse(text, nullptr, false);
    if (status >= 200 && status < 300 && !json.is_discarded()) return json;
    if (json.is_object() && json.contains("error") && json["error"].is_object()) {
        return Error{json["error"].value("code", "error"), json["error"].value("message", "no reason given")};
    }
    return Error{"bad_answer", fmt::format("the worker answered HTTP {} with no JSON", status)};
}

}  // namespace

Error Client::unreachable(const std::string& why) const {
    return {"unreachable",
            fmt::format("no worker answers on {} ({}). Is it running with this configuration? Start it with "
                        "`emprops-worker run`, or name its socket with --socket",
                        socket_.string(), why)};
}

Result<ipc::Json> Client::request(const std::string& path, const std::string* body) const {
    web::Transfer transfer;
    address(transfer, socket_, path);
    std::string text;
    transfer.set(CURLOPT_TIMEOUT_MS, 30'000L);
    transfer.on_body([&](std::string_view bytes) {
        text.append(bytes);
        return true;
    });
    if (body != nullptr) {
        transfer.set(CURLOPT_POSTFIELDSIZE, static_cast<long>(body->size()));
        transfer.set(CURLOPT_COPYPOSTFIELDS, *body);
    }
    const CURLcode code = transfer.perform();
    if (code != CURLE_OK) return unreachable(curl_easy_strerror(code));
    return read_answer(transfer.status(), text);
}

Result<ipc::Json> Client::get(const std::string& path) const {
    return request(path, nullptr);
}

Result<ipc::Json> Client::post(const std::string& path, const ipc::Json& body) const {
    const std::string text = ipc::dump(body);
    return request(path, &text);
}

Result<> Client::follow(const std::string& path,
                        const std::function<bool(const std::string&)>& on_line) const {
    web::Transfer transfer;
    address(transfer, socket_, path);
    std::string partial;
    bool wanted = true;
    transfer.on_body([&](std::string_view bytes) {
        partial.append(bytes);
        if (transfer.status() >= 400) return true;  // the reason, in one piece; the worker sends little
        std::size_t end = 0;
        while (wanted && (end = partial.find('\n')) != std::string::npos) {
            wanted = on_line(partial.substr(0, end));
            partial.erase(0, end + 1);
        }
        return wanted;
    });
    const CURLcode code = transfer.perform();
    if (code != CURLE_OK && wanted) return unreachable(curl_easy_strerror(code));
    if (const long status = transfer.status(); status >= 400) return read_answer(status, partial).error();
    return Ok{};
}

}  // namespace emprops::control
