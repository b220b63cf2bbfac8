#include "connectors/comfyui/settings.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <fstream>
#include <utility>

#include "connectors/comfyui/nearest.h"

namespace emprops::comfyui {
namespace {

// A setter returns what is wrong ("must be ..."), or nothing.
using Complaint = std::optional<std::string>;
struct Field {
    std::string key;
    std::function<Complaint(Settings&, const Json&)> set;
    bool may_be_empty = false;  // an empty variable means something
};

template <class T>
using Where = T& (*)(Settings&);

std::string as_text(const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
}

Field text(std::string key, Where<std::string> where) {
    return {std::move(key),
            [where](Settings& s, const Json& value) -> Complaint {
                if (!value.is_string() && !value.is_number()) return "must be text";
                where(s) = as_text(value);
                return {};
            },
            true};
}

Field flag(std::string key, Where<bool> where) {
    return {std::move(key), [where](Settings& s, const Json& value) -> Complaint {
                std::string word = as_text(value);
                for (char& c : word) {
                    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
                }
                if (word == "true" || word == "1" || word == "yes" || word == "on") {
                    where(s) = true;
                } else if (word == "false" || word == "0" || word == "no" || word == "off" || word.empty()) {
                    where(s) = false;
                } else {
                    return "must be true or false";
                }
                return {};
            }};
}

Field number(std::string key, Where<int> where, int min, int max) {
    return {std::move(key), [=](Settings& s, const Json& value) -> Complaint {
                const std::string word = as_text(value);
                int parsed = 0;
                const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), parsed);
                if (code != std::errc{} || end != word.data() + word.size() || parsed < min || parsed > max) {
                    return "must be a whole number from " + std::to_string(min) + " to " +
                           std::to_string(max);
                }
                where(s) = parsed;
                return {};
            }};
}

Field duration(std::string key, Where<Ms> where) {
    return {std::move(key), [where](Settings& s, const Json& value) -> Complaint {
                const auto parsed = parse_duration(as_text(value));
                // Zero would mean "no limit", and there is no wait without one.
                if (!parsed || *parsed < Ms{1})
                    return "must be a time above zero such as \"10s\" or \"5min\"";
                where(s) = *parsed;
                return {};
            }};
}

Field size(std::string key, Where<std::uint64_t> where) {
    return {std::move(key), [where](Settings& s, const Json& value) -> Complaint {
                const auto parsed = parse_size(as_text(value));
                if (!parsed) return "must be a size such as \"16MiB\" or a number of bytes";
                where(s) = *parsed;
                return {};
            }};
}

Complaint add_header(std::map<std::string, std::string>& into, std::string_view line) {
    const auto colon = line.find(':');
    if (colon == 0 || colon == std::string_view::npos) return "must hold lines of the form \"Name: value\"";
    auto value = line.substr(colon + 1);
    while (!value.empty() && value.front() == ' ') {
        value.remove_prefix(1);
    }
    into[std::string(line.substr(0, colon))] = value;
    return {};
}

// An object; or, in a variable, the object's JSON text or lines "Name: value".
Field header_map(std::string key, Where<std::map<std::string, std::string>> where) {
    return {std::move(key), [where](Settings& s, const Json& given) -> Complaint {
                Json value = given;
                if (given.is_string()) {
                    const auto& text = given.get_ref<const std::string&>();
                    value = Json::parse(text, nullptr, false);
                    if (!value.is_object()) {
                        std::size_t from = 0;
                        while (from < text.size()) {
                            const auto end = std::min(text.find('\n', from), text.size());
                            if (auto wrong = add_header(where(s), text.substr(from, end - from)))
                                return wrong;
                            from = end + 1;
                        }
                        value = Json::object();
                    }
                }
                if (!value.is_object()) return "must be a table of header names and values";
                for (const auto& [name, content] : value.items()) {
                    if (!content.is_string()) return "must have text as the value of \"" + name + "\"";
                    where(s)[name] = content.get<std::string>();
                }
                for (const auto& [name, content] : where(s)) {
                    if ((name + content).find_first_of("\r\n") != std::string::npos) {
                        return "must not have line breaks in a header";
                    }
                }
                return {};
            }};
}

/// A list, or in a variable the words with commas between them.
std::vector<std::string> word_list(const Json& value) {
    std::vector<std::string> words;
    if (value.is_array()) {
        for (const Json& word : value) {
            words.push_back(as_text(word));
        }
        return words;
    }
    std::string word;
    for (const char c : as_text(value) + ",") {
        if (c == ',') {
            while (!word.empty() && word.back() == ' ') {
                word.pop_back();
            }
            if (!word.empty()) words.push_back(std::exchange(word, {}));
        } else if (c != ' ' || !word.empty()) {
            word += c;
        }
    }
    return words;
}

Field policies(std::string key) {
    return {
        std::move(key), [](Settings& s, const Json& value) -> Complaint {
            std::vector<std::string> words = word_list(value);
            static const std::vector<std::string> known{"inline", "reference", "directory", "http_put", "s3"};
            for (const std::string& word : words) {
                if (std::find(known.begin(), known.end(), word) == known.end()) {
                    return "has \"" + word + "\"; known are inline, reference, directory, http_put and s3";
                }
            }
            if (words.empty()) return "must name at least one of inline, reference, directory, http_put, s3";
            s.outputs.deliver = std::move(words);
            return {};
        }};
}

/// How the server is named; put together once everything is read.
struct ServerParts {
    std::string url, host = "localhost", prefix, username, password, bearer;
    int port = 8188;
    bool ssl = false;
};

std::vector<Field> fields(ServerParts& parts) {
#define AT(type, member) [](Settings& s) -> type& { return s.member; }
    std::vector<Field> out{
        flag("verify_tls", AT(bool, verify_tls)),
        text("ca_file", AT(std::string, ca_file)),
        flag("websocket", AT(bool, websocket)),
        {"websocket_nodes",
         [](Settings& s, const Json& value) -> Complaint {
             if (!value.is_string() && !value.is_array()) return "must be a list of node classes";
             for (std::string& word : word_list(value)) {
                 s.websocket_nodes.push_back(std::move(word));
             }
             return {};
         }},
        header_map("headers", [](Settings& s) -> std::map<std::string, std::string>& { return s.headers; }),
        text("job_type", AT(std::string, job_type)),
        number("concurrency", AT(int, concurrency), 1, 64),
        text("prompt_namespace", AT(std::string, prompt_namespace)),
        flag("allow_partial", AT(bool, allow_partial)),
        flag("preflight", AT(bool, preflight)),
        number("max_resubmissions", AT(int, max_resubmissions), 0, 8),
        duration("connect_timeout", AT(Ms, limits.connect)),
        duration("response_timeout", AT(Ms, limits.response)),
        duration("queue_timeout", AT(Ms, limits.queue_wait)),
        duration("start_timeout", AT(Ms, limits.start)),
        duration("no_progress_timeout", AT(Ms, limits.no_progress)),
        duration("total_timeout", AT(Ms, limits.total)),
        duration("unreachable_timeout", AT(Ms, limits.unreachable)),
        duration("cancel_timeout", AT(Ms, limits.cancel)),
        duration("upload_timeout", AT(Ms, limits.upload)),
        duration("download_timeout", AT(Ms, limits.download)),
        duration("polling_interval", AT(Ms, poll_interval)),
        duration("status_interval", AT(Ms, status_interval)),
        duration("capabilities_interval", AT(Ms, capabilities_interval)),
        duration("orphan_grace", AT(Ms, orphan_grace)),
        size("input_max_bytes", AT(std::uint64_t, inputs.max_bytes)),
        duration("input_timeout", AT(Ms, inputs.timeout)),
        number("input_max_redirects", AT(int, inputs.max_redirects), 0, 20),
        flag("input_allow_private", AT(bool, inputs.allow_private)),
        policies("deliver"),
        {"reference_base_url",
         [](Settings& s, const Json& value) -> Complaint {
             const std::string word = as_text(value);
             const auto url = parse_url(word);
             if (!url.ok() || !url->username.empty())
                 return "must be an http(s) address without a password, such as "
                        "\"https://comfy.example.org\"";
             s.outputs.reference_base_url = word;
             while (s.outputs.reference_base_url.ends_with('/')) {
                 s.outputs.reference_base_url.pop_back();
             }
             return {};
         }},
        size("inline_max_bytes", AT(std::uint64_t, outputs.inline_max_bytes)),
        size("max_file_bytes", AT(std::uint64_t, outputs.max_file_bytes)),
        flag("deliver_temp", AT(bool, outputs.temp)),
        flag("strip_metadata", AT(bool, outputs.strip_metadata)),
        text("directory", AT(std::string, outputs.directory)),
        text("directory_template", AT(std::string, outputs.directory_template)),
        text("http_put_url", AT(std::string, outputs.http_put_url)),
        header_map(
            "http_put_headers",
            [](Settings& s) -> std::map<std::string, std::string>& { return s.outputs.http_put_headers; }),
        text("s3_endpoint", AT(std::string, outputs.s3.endpoint)),
        text("s3_bucket", AT(std::string, outputs.s3.bucket)),
        text("s3_region", AT(std::string, outputs.s3.region)),
        text("s3_key_template", AT(std::string, outputs.s3.key_template)),
        text("s3_access_key", AT(std::string, outputs.s3.access_key)),
        text("s3_secret_key", AT(std::string, outputs.s3.secret_key)),
        text("s3_session_token", AT(std::string, outputs.s3.session_token)),
        text("s3_public_url", AT(std::string, outputs.s3.public_url)),
        flag("previews", AT(bool, previews.enabled)),
        duration("preview_interval", AT(Ms, previews.interval)),
        size("preview_max_bytes", AT(std::uint64_t, previews.max_bytes)),
        text("comfyui_folder", AT(std::string, comfyui_folder)),
        size("min_free_bytes", AT(std::uint64_t, min_free_bytes)),
        flag("delete_delivered", AT(bool, delete_delivered)),
        flag("deliver_verify_tls", AT(bool, outputs.verify_tls)),
        text("deliver_ca_file", AT(std::string, outputs.ca_file)),
        duration("stuck_timeout", AT(Ms, stuck_timeout)),
    };
#undef AT
    const auto part = [&out](std::string key, std::string& into) {
        out.push_back({std::move(key),
                       [&into](Settings&, const Json& value) -> Complaint {
                           if (!value.is_string() && !value.is_number()) return "must be text";
                           into = as_text(value);
                           return {};
                       },
                       true});
    };
    part("server_url", parts.url);
    part("host", parts.host);
    part("path_prefix", parts.prefix);
    part("username", parts.username);
    part("password", parts.password);
    part("bearer_token", parts.bearer);
    out.push_back({"port", [&parts](Settings&, const Json& value) -> Complaint {
                       const std::string word = as_text(value);
                       const auto [end, code] =
                           std::from_chars(word.data(), word.data() + word.size(), parts.port);
                       if (word.rfind("tcp://", 0) == 0) {
                           return "is \"" + word +
                                  "\": Kubernetes sets that for a service called comfyui (set "
                                  "enableServiceLinks: false in the pod, or COMFYUI_SERVER_URL)";
                       }
                       if (code != std::errc{} || end != word.data() + word.size() || parts.port < 1 ||
                           parts.port > 65535) {
                           return "must be a port number from 1 to 65535, not \"" + word + "\"";
                       }
                       return {};
                   }});
    out.push_back({"output_subfolder", [](Settings& s, const Json& value) -> Complaint {
                       Settings scratch;
                       auto wrong =
                           flag("", [](Settings& x) -> bool& { return x.verify_tls; }).set(scratch, value);
                       if (!wrong) s.output_subfolder = scratch.verify_tls;
                       return wrong;
                   }});
    out.push_back({"use_ssl", [&parts](Settings& s, const Json& value) -> Complaint {
                       Settings scratch = s;
                       scratch.verify_tls = false;
                       auto wrong = flag("use_ssl", [](Settings& x) -> bool& {
                                        return x.verify_tls;
                                    }).set(scratch, value);
                       if (!wrong) parts.ssl = scratch.verify_tls;
                       return wrong;
                   }});
    return out;
}

std::string upper(std::string text) {
    for (char& c : text) {
        c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    return text;
}

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
        settings.headers["Authorization"] = "Basic " + base64_encode(parts.username + ":" + parts.password);
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

std::optional<Ms> parse_duration(const std::string& text) {
    double value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc{} || !std::isfinite(value) || value < 0) return {};
    const std::string unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    double factor = 0;
    if (unit == "ms") factor = 1;
    if (unit.empty() || unit == "s") factor = 1e3;
    if (unit == "min" || unit == "m") factor = 60e3;
    if (unit == "h") factor = 3600e3;
    if (unit == "d") factor = 86400e3;
    if (factor == 0 || value * factor > 1e12) return {};
    return Ms{static_cast<std::int64_t>(value * factor)};
}

std::optional<std::uint64_t> parse_size(const std::string& text) {
    double value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc{} || !std::isfinite(value) || value < 0) return {};
    const std::string unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    static const std::map<std::string, double> units{
        {"", 1},     {"B", 1},        {"kB", 1e3},        {"KB", 1e3},          {"MB", 1e6},
        {"GB", 1e9}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}};
    const auto unit_at = units.find(unit);
    if (unit_at == units.end() || value * unit_at->second > 1e18) return {};
    return static_cast<std::uint64_t>(value * unit_at->second);
}

Result<Settings> load_settings(const Json& given, const EnvLookup& environment) {
    Settings settings;
    ServerParts parts;
    const std::vector<Field> all = fields(parts);
    if (!given.is_object() && !given.is_null())
        return Error{"configuration", "the connector's settings must be a table"};
    std::vector<std::string> keys;
    for (const Field& field : all) {
        keys.push_back(field.key);
    }
    for (const auto& [key, value] : given.items()) {
        if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
            const auto near = nearest(key, keys, 1);
            return Error{"configuration", "unknown setting \"" + key + "\"" +
                                              (near.empty() ? "" : "; did you mean \"" + near[0] + "\"?")};
        }
    }
    for (const Field& field : all) {
        // The environment wins: it is where .env files and the operator's last word end up.
        Complaint wrong;
        std::string name = field.key;
        const auto variable = environment("COMFYUI_" + upper(field.key));
        if (variable && variable->value.empty() && !field.may_be_empty) continue;
        if (variable) {
            name = variable->name;
            wrong = field.set(settings, variable->value);
        } else if (given.contains(field.key)) {
            wrong = field.set(settings, given.at(field.key));
        }
        if (wrong) return Error{"configuration", name + " " + *wrong};
    }
    const auto says = [&](const char* name) {  // an empty variable does not
        const auto found = environment(name);
        return found && !found->value.empty();
    };
    const bool address_given = !parts.url.empty() || given.contains("host") || given.contains("port") ||
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
        settings.warnings.push_back("inline_max_bytes is taken as " + std::to_string(max_inline) +
                                    ": the Hub takes messages of 16 MiB, and base64 makes 4 bytes of 3");
        settings.outputs.inline_max_bytes = max_inline;
    }
    return settings;
}

}  // namespace emprops::comfyui
