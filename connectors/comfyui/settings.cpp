#include "connectors/comfyui/settings.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <utility>

#include "connectors/comfyui/setting_rows.h"
#include "ipc/web/base64.h"
#include "ipc/web/host.h"
#include "ipc/web/url.h"

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
        const bool bare_v6 = web::IpAddress::parse(parts.host).has_value() &&
                             parts.host.find(':') != std::string::npos && parts.host.front() != '[';
        const std::string host = bare_v6 ? "[" + parts.host + "]" : parts.host;
        const std::string address = whole ? host : std::string(parts.ssl ? "https" : "http") + "://" + host;
        auto url = parse_url(address);
        if (!url.ok()) return Error{"configuration", "host: " + url.error().message};
        settings.server = *url;
        // "box:8188": the port stands there already.
        const auto own_port = web::Url::parse(address)->port;
        if (!whole && !own_port) settings.server.port = parts.port;
        if (!whole && own_port && parts.port_given && *own_port != parts.port) {
            return Error{"configuration", "host holds the port " + std::to_string(*own_port) +
                                              ", and port is " + std::to_string(parts.port) +
                                              "; write it in one place"};
        }
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

Result<Ok> check_ca_file(const std::string& path) {
    if (path.empty()) return Ok{};
    const std::ifstream file(path);
    if (file.good()) return Ok{};
    return Error{"configuration", "ca_file: the file " + path + " cannot be read"};
}

}  // namespace

Result<Settings> load_settings(const Json& table, const EnvLookup& environment,
                               std::vector<std::string> variables, std::string connector) {
    GivenSettings given;
    Settings& settings = given.settings;
    ServerParts& parts = given.server;
    const SettingSources sources{
        "COMFYUI_",           environment,         true, {retired_settings.begin(), retired_settings.end()},
        std::move(variables), std::move(connector)};
    try {
        settings.warnings = read_rows(setting_rows(), table, sources, given);
    } catch (const ConfigurationError& wrong) {
        return Error{"configuration", wrong.what()};
    }
    const auto is_given = [&](const char* key) {
        const auto names = variables_of(key, sources);
        return table.contains(key) || std::any_of(names.begin(), names.end(), [&](const std::string& name) {
                   const auto found = environment(name);
                   return found && !found->value.empty();  // an empty variable says nothing
               });
    };
    parts.port_given = is_given("port");
    const bool address_given = !parts.url.empty() || is_given("host") || parts.port_given;
    // The worker runs ComfyUI itself ([connectors.NAME.service]) and says where.
    if (!address_given) {
        if (const auto service = environment("EMPROPS_SERVICE_URL")) parts.url = service->value;
    }
    if (auto server = put_server_together(settings, parts); !server.ok()) return server.error();
    if (auto file = check_ca_file(settings.ca_file); !file.ok()) return file.error();
    return settings;
}

}  // namespace emprops::comfyui
