#include "connectors/comfyui/inputs.h"

#include <cstdio>
#include <filesystem>
#include <memory>

#include "connectors/comfyui/prompt_id.h"

namespace emprops::comfyui {
namespace {

struct FileCloser {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

/// Where a redirect leads; empty when that cannot be said.
std::string redirect_target(const std::string& from, const std::string& location) {
    if (location.rfind("http://", 0) == 0 || location.rfind("https://", 0) == 0) return location;
    const auto scheme = from.find("://");
    const std::string origin = from.substr(0, from.find('/', scheme + 3));
    if (location.rfind("//", 0) == 0) return from.substr(0, scheme + 1) + location;
    if (location.rfind('/', 0) == 0) return origin + location;
    return {};
}

std::string without_secrets(const std::string& url) {
    // A query often holds a signature, and what stands before an "@" a password.
    const std::string shown = url.substr(0, url.find_first_of("?#"));
    const auto scheme = shown.find("://");
    const auto at = shown.find('@');
    if (scheme == std::string::npos || at == std::string::npos) return shown;
    return shown.substr(0, scheme + 3) + shown.substr(at + 1);
}

Result<Ok> write_file(const std::string& path, const std::string& bytes) {
    const File file(std::fopen(path.c_str(), "wbe"));
    if (!file || std::fwrite(bytes.data(), 1, bytes.size(), file.get()) != bytes.size() ||
        std::fflush(file.get()) != 0) {
        return Error{"internal", "cannot write " + path};
    }
    return Ok{};
}

}  // namespace

std::string input_subfolder(const std::string& job_id) {
    // Job ids are a client's text, such as "../x": a hash is a safe name.
    return "emprops/" + uuid_v5("", "inputs/" + job_id);
}

Result<Ok> fetch_url(HttpClient& http, const std::string& url, const std::string& path,
                     const std::string& what, const InputRules& rules,
                     const std::function<bool()>& cancelled) {
    std::string current = url;
    const auto deadline = std::chrono::steady_clock::now() + rules.timeout;
    for (int hop = 0; hop <= rules.max_redirects; ++hop) {
        const std::string where = what + " (" + without_secrets(current) + ")";
        const File file(std::fopen(path.c_str(), "wbe"));
        if (!file) return Error{"internal", "cannot write " + path};
        HttpRequest get;
        get.url = current;
        get.timeout = std::chrono::duration_cast<Ms>(deadline - std::chrono::steady_clock::now());
        if (get.timeout <= Ms{0}) return Error{"invalid_payload", where + " took longer than input_timeout"};
        get.connect_timeout = std::min(get.timeout, Ms{10'000});
        get.max_bytes = rules.max_bytes;
        get.public_only = !rules.allow_private;
        get.cancelled = cancelled;
        get.sink = [&](std::string_view bytes) {
            return std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
        };
        const auto answer = http.send(get);
        if (const auto* problem = std::get_if<Unreachable>(&answer)) {
            return Error{"invalid_payload", "cannot fetch " + where + ": " + problem->what};
        }
        const auto& response = std::get<HttpResponse>(answer);
        if (response.status >= 300 && response.status < 400) {
            current = redirect_target(current, response.location);
            if (current.empty()) return Error{"invalid_payload", where + " redirects to nowhere usable"};
            continue;
        }
        if (response.status != 200) {
            return Error{"invalid_payload",
                         "cannot fetch " + where + ": HTTP " + std::to_string(response.status)};
        }
        if (std::fflush(file.get()) != 0) return Error{"internal", "cannot write " + path};
        return Ok{};
    }
    return Error{"invalid_payload",
                 what + " redirects more than " + std::to_string(rules.max_redirects) + " times"};
}

Result<std::map<std::string, std::string>> provide_inputs(Api& api, const Payload& payload,
                                                          const InputRules& rules, const std::string& job_id,
                                                          const std::string& work_dir,
                                                          const std::function<bool()>& cancelled) {
    std::map<std::string, std::string> names;
    const std::string subfolder = input_subfolder(job_id);
    int count = 0;
    for (const InputFile& input : payload.inputs) {
        if (cancelled()) return Error{"cancelled", "cancelled"};
        const std::string what = "inputs[\"" + input.key + "\"]";
        const std::string path = work_dir + "/input-" + std::to_string(count);
        Result<Ok> done = Ok{};
        if (!input.url.empty()) {
            done = fetch_url(api.http(), input.url, path, what, rules, cancelled);
        } else {
            auto bytes = base64_decode(input.base64);
            if (!bytes.ok()) return Error{"invalid_payload", what + " is neither a URL nor base64"};
            if (bytes->size() > rules.max_bytes) {
                return Error{"invalid_payload", what + " has " + std::to_string(bytes->size()) +
                                                    " bytes; input_max_bytes allows " +
                                                    std::to_string(rules.max_bytes)};
            }
            done = write_file(path, *bytes);
        }
        if (!done.ok()) return done.error();
        // Two inputs of one name must not overwrite each other: ComfyUI reads a file only when its node runs.
        auto stored = api.upload(path, std::to_string(count++) + "-" + input.filename, subfolder);
        std::error_code ignored;
        std::filesystem::remove(path, ignored);
        if (!stored.ok()) return stored.error();
        names[input.key] = *stored;
    }
    return names;
}

}  // namespace emprops::comfyui
