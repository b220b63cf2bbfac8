#include "connectors/comfyui/settings.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <utility>

#include "connectors/comfyui/setting_rows.h"
#include "ipc/text/people.h"
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

Result<Ok> check_ca_file(const char* key, const std::string& path) {
    if (path.empty()) return Ok{};
    const std::ifstream file(path);
    if (file.good()) return Ok{};
    return Error{"configuration", std::string(key) + ": the file " + path + " cannot be read"};
}

/// A host whose first label is the bucket, as S3 services name them in their consoles.
bool is_storage_host(std::string_view host) {
    return host.starts_with("s3.") || host.starts_with("s3-") ||
           host.find("storage") != std::string_view::npos || host.find("spaces") != std::string_view::npos;
}

/// The bucket stands in the endpoint as often as beside it ("http://minio:9000/renders",
/// "https://renders.s3.amazonaws.com"), and as "s3://renders" in its own setting: it is taken out of both.
Result<Ok> tell_bucket_from_endpoint(S3Settings& s3, std::vector<std::string>& warnings) {
    if (s3.bucket.starts_with("s3://")) s3.bucket.erase(0, 5);
    while (s3.bucket.ends_with('/'))
        s3.bucket.pop_back();
    if (s3.bucket.find('/') != std::string::npos)
        return Error{"configuration", "s3_bucket holds a path; write that into s3_key_template"};
    if (s3.endpoint.empty()) return Ok{};
    const auto url = web::Url::parse(s3.endpoint);
    if (!url.ok() || (url->scheme != "http" && url->scheme != "https"))
        return Error{"configuration",
                     "s3_endpoint must be http(s)://host[:port], such as "
                     "\"https://s3.eu-central-1.amazonaws.com\"" +
                         (url.ok() ? "" : ": " + url.error().message)};
    std::string host = url->host;
    std::string path = url->path;
    while (path.ends_with('/'))
        path.pop_back();
    const std::string last = path.substr(path.rfind('/') + 1);
    if (!last.empty() && (last == s3.bucket || s3.bucket.empty())) {
        s3.bucket = last;
        path.erase(path.size() - last.size() - 1);
    } else if (const std::string front = s3.bucket + ".";
               !s3.bucket.empty() && host.starts_with(front) && is_storage_host(host.substr(front.size()))) {
        host.erase(0, front.size());
    } else {
        return Ok{};
    }
    s3.endpoint = url->scheme + "://" + web::Url::authority(host, url->port) + path;
    warnings.push_back("s3_endpoint holds the bucket; taken as s3_endpoint = \"" + s3.endpoint +
                       "\", s3_bucket = \"" + s3.bucket + "\"");
    return Ok{};
}

/// A name without the job is a name that a later job may have as well.
void warn_of_shared_names(const OutputSettings& out, std::vector<std::string>& warnings) {
    const auto warn = [&](const char* policy, const char* key, const std::string& name_template) {
        const bool used = std::find(out.deliver.begin(), out.deliver.end(), policy) != out.deliver.end();
        const auto holds = [&](const char* word) { return name_template.find(word) != std::string::npos; };
        if (!used || holds("{job_id}") || holds("{prompt_id}") || holds("{sha256}")) return;
        warnings.push_back(
            std::string(key) +
            " holds neither {job_id}, {prompt_id} nor {sha256}: a later job's file of the same "
            "name replaces an earlier one's there");
    };
    warn("s3", "s3_key_template", out.s3.key_template);
    warn("http_put", "http_put_url", out.http_put_url);
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
    if (auto bucket = tell_bucket_from_endpoint(settings.outputs.s3, settings.warnings); !bucket.ok())
        return bucket.error();
    if (auto policies = check_policies(settings); !policies.ok()) return policies.error();
    if (auto file = check_ca_file("ca_file", settings.ca_file); !file.ok()) return file.error();
    if (auto file = check_ca_file("deliver_ca_file", settings.outputs.ca_file); !file.ok())
        return file.error();
    warn_of_shared_names(settings.outputs, settings.warnings);
    if (settings.outputs.inline_max_bytes > max_inline) {
        settings.warnings.push_back("inline_max_bytes is taken as " + human_bytes(max_inline) +
                                    ": the Hub takes messages of 16 MiB, and base64 makes 4 bytes of 3");
        settings.outputs.inline_max_bytes = max_inline;
    }
    return settings;
}

}  // namespace emprops::comfyui
