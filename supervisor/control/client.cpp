#include "supervisor/control/client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <memory>

namespace emprops::control {
namespace {

struct CurlDeleter {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Handle = std::unique_ptr<CURL, CurlDeleter>;

Handle open(const std::filesystem::path& socket, const std::string& path) {
    Handle handle(curl_easy_init());
    // The host name is only for the request line; the socket decides who answers.
    curl_easy_setopt(handle.get(), CURLOPT_URL, ("http://emprops-worker" + path).c_str());
    curl_easy_setopt(handle.get(), CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
    curl_easy_setopt(handle.get(), CURLOPT_NOPROXY, "*");
    curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle.get(), CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    return handle;
}

std::size_t append(char* data, std::size_t size, std::size_t count, void* target) {
    static_cast<std::string*>(target)->append(data, size * count);
    return size * count;
}

struct LineSplitter {
    const std::function<bool(const std::string&)>* on_line;
    CURL* handle;
    std::string partial;
    bool wanted = true;

    /// 0 before the answer's head was read.
    long status() const {
        long code = 0;
        curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &code);
        return code;
    }
};

std::size_t split(char* data, std::size_t size, std::size_t count, void* target) {
    auto& lines = *static_cast<LineSplitter*>(target);
    lines.partial.append(data, size * count);
    if (lines.status() >= 400) return size * count;  // the reason, in one piece; the worker sends little
    std::size_t end = 0;
    while (lines.wanted && (end = lines.partial.find('\n')) != std::string::npos) {
        lines.wanted = (*lines.on_line)(lines.partial.substr(0, end));
        lines.partial.erase(0, end + 1);
    }
    return lines.wanted ? size * count : 0;
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
    const Handle handle = open(socket_, path);
    std::string text;
    curl_easy_setopt(handle.get(), CURLOPT_TIMEOUT_MS, 30'000L);
    curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &text);
    if (body != nullptr) {
        curl_easy_setopt(handle.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(body->size()));
        curl_easy_setopt(handle.get(), CURLOPT_COPYPOSTFIELDS, body->c_str());
    }
    const CURLcode code = curl_easy_perform(handle.get());
    if (code != CURLE_OK) return unreachable(curl_easy_strerror(code));
    long status = 0;
    curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
    return read_answer(status, text);
}

Result<ipc::Json> Client::get(const std::string& path) const {
    return request(path, nullptr);
}

Result<ipc::Json> Client::post(const std::string& path, const ipc::Json& body) const {
    const std::string text = body.dump(-1, ' ', false, ipc::Json::error_handler_t::replace);
    return request(path, &text);
}

Result<> Client::follow(const std::string& path,
                        const std::function<bool(const std::string&)>& on_line) const {
    const Handle handle = open(socket_, path);
    LineSplitter lines{&on_line, handle.get(), {}, true};
    curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, split);
    curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &lines);
    const CURLcode code = curl_easy_perform(handle.get());
    if (code != CURLE_OK && lines.wanted) return unreachable(curl_easy_strerror(code));
    if (const long status = lines.status(); status >= 400) return read_answer(status, lines.partial).error();
    return Ok{};
}

}  // namespace emprops::control
