#include "connectors/comfyui/transfer/inputs.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "connectors/comfyui/server/file_handle.h"
#include "connectors/comfyui/text/prompt_id.h"
#include "ipc/text/values.h"
#include "ipc/web/base64.h"
#include "ipc/web/uuid.h"

namespace emprops::comfyui {
namespace {

constexpr Ms first_pause_between_tries{500}, longest_pause_between_tries{10'000};

bool has_scheme(const std::string& location) {
    const std::string begin = text::lower(location.substr(0, 8));
    return begin.rfind("http://", 0) == 0 || begin == "https://";
}

std::string without_secrets(const std::string& url) {
    // A query often holds a signature, and what stands before an "@" a password.
    const std::string shown = url.substr(0, url.find_first_of("?#"));
    const auto scheme = shown.find("://");
    const auto at = shown.find('@');
    if (scheme == std::string::npos || at == std::string::npos) return shown;
    return shown.substr(0, scheme + 3) + shown.substr(at + 1);
}

Result<Ok> write_input(const std::string& path, const std::string& bytes) {
    const FileHandle file(std::fopen(path.c_str(), "wbe"));
    if (!file || std::fwrite(bytes.data(), 1, bytes.size(), file.get()) != bytes.size() ||
        std::fflush(file.get()) != 0) {
        return Error{"internal", "cannot write " + path + " (disk full?)"};
    }
    return Ok{};
}

/// Asked before the upload: ComfyUI refuses it only when it has come.
std::optional<Error> too_large(const std::string& path, const std::string& what,
                               std::optional<std::uint64_t> most) {
    constexpr std::uint64_t form = 1024;  // what is sent around the file
    std::error_code failed;
    const std::uint64_t size = std::filesystem::file_size(path, failed);
    if (failed || !most || size + form <= *most) return {};
    return Error{"invalid_payload", what + " has " + std::to_string(size) +
                                        " bytes, and ComfyUI takes uploads of " + std::to_string(*most) +
                                        " bytes at most; start ComfyUI with a higher --max-upload-size"};
}

}  // namespace

std::string redirect_target(const std::string& from, const std::string& location) {
    if (location.empty()) return {};
    if (has_scheme(location)) return location;
    const auto scheme = from.find("://");
    if (scheme == std::string::npos) return {};
    if (location.rfind("//", 0) == 0) return from.substr(0, scheme + 1) + location;
    // "ftp:..." and the like: a colon before any slash.
    const auto colon = location.find(':');
    if (colon != std::string::npos && colon < location.find_first_of("/?#")) return {};
    const auto path_at = from.find_first_of("/?#", scheme + 3);
    const std::string origin = from.substr(0, path_at);
    if (location.front() == '/') return origin + location;
    const std::string path = path_at == std::string::npos
                                 ? "/"
                                 : from.substr(path_at, from.find_first_of("?#", path_at) - path_at);
    if (location.front() == '?' || location.front() == '#') return origin + path + location;
    return origin + "/" + path.substr(path.empty() ? 0 : 1, path.rfind('/')) + location;
}

std::string input_subfolder(const std::string& space, const std::string& job_id) {
    // Job ids are a client's text, such as "../x": a hash is a safe name.
    return "emprops/" + uuid_v5(space, "inputs/" + job_id);
}

Result<Ok> fetch_url(HttpClient& http, const std::string& url, const std::string& path,
                     const std::string& what, const InputRules& rules,
                     const std::function<bool()>& cancelled) {
    std::string current = url;
    const auto deadline = std::chrono::steady_clock::now() + rules.timeout;
    for (int hop = 0; hop <= rules.max_redirects; ++hop) {
        const std::string where = what + " (" + without_secrets(current) + ")";
        const FileHandle file(std::fopen(path.c_str(), "wbe"));
        if (!file) return Error{"internal", "cannot write " + path};
        HttpRequest get;
        get.url = current;
        get.timeout = std::chrono::duration_cast<Ms>(deadline - std::chrono::steady_clock::now());
        if (get.timeout <= Ms{0})
            return Error{"service_unavailable", where + " took longer than input_timeout"};
        get.connect_timeout = std::min(get.timeout, Ms{10'000});
        get.max_bytes = rules.max_bytes;
        get.public_only = !rules.allow_private;
        get.cancelled = cancelled;
        get.sink = [&](std::string_view bytes) {
            return std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
        };
        const auto answer = http.send(get);
        if (const auto* large = std::get_if<TooLarge>(&answer)) {
            return Error{"invalid_payload",
                         where + " has " +
                             (large->size ? std::to_string(*large->size)
                                          : "more than " + std::to_string(rules.max_bytes)) +
                             " bytes; input_max_bytes allows " + std::to_string(rules.max_bytes)};
        }
        if (std::holds_alternative<NotWritten>(answer))
            return Error{"internal", "cannot write " + path + " (disk full?)"};
        if (const auto* problem = std::get_if<Unreachable>(&answer)) {
            return Error{problem->refused ? "invalid_payload" : "service_unavailable",
                         "cannot fetch " + where + ": " + problem->what};
        }
        const auto& response = std::get<HttpResponse>(answer);
        if (response.status >= 300 && response.status < 400) {
            current = redirect_target(current, response.location);
            if (current.empty()) return Error{"invalid_payload", where + " redirects to nowhere usable"};
            continue;
        }
        if (response.status != 200) {
            const bool passing = response.status >= 500 || response.status == 408 || response.status == 429;
            return Error{passing ? "service_unavailable" : "invalid_payload",
                         "cannot fetch " + where + ": HTTP " + std::to_string(response.status)};
        }
        if (std::fflush(file.get()) != 0) return Error{"internal", "cannot write " + path};
        return Ok{};
    }
    return Error{"invalid_payload",
                 what + " redirects more than " + std::to_string(rules.max_redirects) + " times"};
}

Result<std::vector<std::string>> provide_inputs(Api& api, const std::vector<const InputFile*>& files,
                                                const InputRules& rules, const std::string& subfolder,
                                                const std::string& work_dir,
                                                const std::function<bool()>& cancelled, const Retry& retry) {
    const auto deadline = std::chrono::steady_clock::now() + retry.limit;
    // What may pass is tried again until the time for it is over.
    const auto persist = [&](const auto& attempt) {
        Ms wait = first_pause_between_tries;
        while (true) {
            auto done = attempt();
            const bool passing = !done.ok() && done.error().code == "service_unavailable";
            if (!passing || std::chrono::steady_clock::now() + wait >= deadline || cancelled()) return done;
            if (retry.pause(wait)) return done;
            wait = std::min(wait * 2, longest_pause_between_tries);
        }
    };
    std::vector<std::string> names;
    const auto most = files.empty() ? std::nullopt : api.max_upload();
    for (const InputFile* file : files) {
        if (cancelled()) return Error{"cancelled", "cancelled"};
        const InputFile& input = *file;
        const std::string& what = input.what;
        const std::string path = work_dir + "/input-" + std::to_string(names.size());
        Result<Ok> done = Ok{};
        if (!input.url.empty()) {
            done = persist([&] { return fetch_url(api.http(), input.url, path, what, rules, cancelled); });
        } else {
            auto bytes = web::base64_decode(input.base64);
            if (!bytes.ok()) return Error{"invalid_payload", what + " is neither a URL nor base64"};
            if (bytes->size() > rules.max_bytes) {
                return Error{"invalid_payload", what + " has " + std::to_string(bytes->size()) +
                                                    " bytes; input_max_bytes allows " +
                                                    std::to_string(rules.max_bytes)};
            }
            done = write_input(path, *bytes);
        }
        if (!done.ok()) return done.error();
        // Two inputs of one name must not overwrite each other: ComfyUI reads a file only when its node runs.
        const std::string name = std::to_string(names.size()) + "-" + input.filename;
        if (auto large = too_large(path, what, most)) return *large;
        auto stored = persist([&] { return api.upload(path, name, subfolder); });
        std::error_code ignored;
        std::filesystem::remove(path, ignored);
        if (!stored.ok()) return stored.error();
        names.push_back(*stored);
    }
    return names;
}

}  // namespace emprops::comfyui
