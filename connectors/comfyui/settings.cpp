#include "connectors/comfyui/settings.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <utility>

#include "connectors/comfyui/setting_rows.h"
#include "ipc/text/people.h"
#include "ipc/web/base64.h"

namespace emprops::comfyui {
namespace {

Result<Ok> put_server_together(Settings& settings, ServerParts& parts) {
    if (!parts.url.empty()) {
        auto url = parse_url(parts.url);
        if (!url.ok()) return Error{"configuration", "server_url: " + url.error().message};
        settings.server = *url;
    } else {
        if (parts.host.empty()) parts.host = "localhost";
        // HOST may be written as a whole address ("https://box/comfy"), as users of the older worker did.
        const bool whole = parts.host.find("://") != std::string::npos;
        const bool bare_v6 = !whole && !parts.host.empty() && parts.host.find(':') != parts.host.rfind(':') &&
                             parts.host.front() != '[';
        const std::string host = bare_v6 ? "[" + parts.host + "]" : parts.host;
        auto url = parse_url(whole ? host
                                   : std::string(parts.ssl ? "https" : "http") + "://" + host + ":" +
                                         std::to_string(parts.port));
        if (!url.ok()) return Error{"configuration", "host: " + url.error().message};
        settings.server = *url;
    }
    if (!parts.prefix.empty()) {
        std::string prefix = parts.prefix.front() == '/' ? parts.prefix : "/" + parts.prefix;
        while (!prefix.empty() && prefix.back() == '/') {
            prefix.pop_back();
        }
        settings.server.prefix += prefix;
    }
    if (parts.username.empty()) parts.username = settings.server.username;
    if (parts.password.empty()) parts.password = settings.server.password;
    settings.server.username.clear();
    settings.server.password.clear();
    const auto blank = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
    while (!parts.bearer.empty() && blank(parts.bearer.back())) {
        parts.bearer.pop_back();  // a file with a token ends with a newline
    }
    parts.bearer.erase(parts.bearer.begin(),
                       std::find_if_not(parts.bearer.begin(), parts.bearer.end(), blank));
    if (std::any_of(parts.bearer.begin(), parts.bearer.end(),
                    [](char c) { return static_cast<unsigned char>(c) < 0x20; })) {
        return Error{"configuration", "bearer_token has a line break or control character in it"};
    }
    if (parts.username.empty() != parts.password.empty()) {
        return Error{"configuration", std::string("basic authentication needs username and password; ") +
                                          (parts.username.empty() ? "username" : "password") + " is not set"};
    }
    const bool basic = !parts.username.empty();
    if (basic && !parts.bearer.empty()) {
        return Error{"configuration",
                     "username/password and bearer_token are both set; ComfyUI's proxy takes one"};
    }
    if (basic)
        settings.headers["Authorization"] =
            "Basic " + web::base64_encode(parts.username + ":" + parts.password);
    if (!parts.bearer.empty()) settings.headers["Authorization"] = "Bearer " + parts.bearer;
    return Ok{};
}

Result<Ok> check_ca_file(const char* key, const std::string& path) {
    if (path.empty()) return Ok{};
    const std::ifstream file(path);
    if (file.good()) return Ok{};
    return Error{"configuration", std::string(key) + ": the file " + path + " cannot be read"};
}

Result<Ok> check_policies(const Settings& settings) {
    const auto& out = settings.outputs;
    for (const std::string& policy : out.deliver) {
        std::string missing;
        if (policy == "directory" && out.directory.empty()) missing = "directory";
        if (policy == "http_put" && out.http_put_url.empty()) missing = "http_put_url";
        if (policy == "s3") {
            const std::pair<const char*, const std::string*> needed[] = {
                {"s3_endpoint", &out.s3.endpoint},
                {"s3_bucket", &out.s3.bucket},
                {"s3_access_key", &out.s3.access_key},
                {"s3_secret_key", &out.s3.secret_key}};
            for (const auto& [name, value] : needed) {
                if (value->empty() && missing.empty()) missing = name;
            }
        }
        if (!missing.empty()) {
            return Error{"configuration",
                         "deliver names \"" + policy + "\", which needs the setting " + missing};
        }
    }
    if (!out.directory.empty() && out.directory.front() != '/') {
        return Error{"configuration", "directory must be an absolute path"};
    }
    return Ok{};
}

}  // namespace

Result<Settings> load_settings(const Json& table, const EnvLookup& environment) {
    GivenSettings given;
    Settings& settings = given.settings;
    ServerParts& parts = given.server;
    const SettingSources sources{
        "COMFYUI_", environment, true, {retired_settings.begin(), retired_settings.end()}};
    try {
        settings.warnings = read_rows(setting_rows(), table, sources, given);
    } catch (const ConfigurationError& wrong) {
        return Error{"configuration", wrong.what()};
    }
    const auto says = [&](const char* name) {  // an empty variable does not
        const auto found = environment(name);
        return found && !found->value.empty();
    };
    const bool address_given = !parts.url.empty() || table.contains("host") || table.contains("port") ||
                               says("COMFYUI_HOST") || says("COMFYUI_PORT");
    // The worker runs ComfyUI itself ([connectors.NAME.service]) and says where.
    if (!address_given) {
        if (const auto service = environment("EMPROPS_SERVICE_URL")) parts.url = service->value;
    }
    if (auto server = put_server_together(settings, parts); !server.ok()) return server.error();
    if (auto policies = check_policies(settings); !policies.ok()) return policies.error();
    if (auto file = check_ca_file("ca_file", settings.ca_file); !file.ok()) return file.error();
    if (auto file = check_ca_file("deliver_ca_file", settings.outputs.ca_file); !file.ok())
        return file.error();
    if (settings.outputs.inline_max_bytes > max_inline) {
        settings.warnings.push_back("inline_max_bytes is taken as " + human_bytes(max_inline) +
                                    ": the Hub takes messages of 16 MiB, and base64 makes 4 bytes of 3");
        settings.outputs.inline_max_bytes = max_inline;
    }
    return settings;
}

}  // namespace emprops::comfyui
