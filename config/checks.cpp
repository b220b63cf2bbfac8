#include "config/checks.h"

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <map>
#include <set>

#include "config/conversions.h"
#include "config/fields.h"
#include "config/files.h"
#include "config/stores.h"
#include "ipc/text/people.h"
#include "ipc/text/values.h"
#include "ipc/web/host.h"

namespace emprops::config {

namespace {

bool has_scheme(const std::string& url, std::initializer_list<std::string_view> schemes) {
    return std::any_of(schemes.begin(), schemes.end(), [&url](std::string_view scheme) {
        const std::string start = std::string(scheme) + "://";
        return url.size() > start.size() && url.starts_with(start) &&
               std::string_view("/?#:").find(url[start.size()]) == std::string_view::npos;
    });
}

/// Headers that say how the connection is made, and not what somebody is.
bool is_of_handshake(std::string_view name) {
    for (const std::string_view own :
         {"host", "connection", "upgrade", "content-length", "transfer-encoding", "keep-alive", "te",
          "trailer", "expect", "proxy-authorization", "proxy-connection"}) {
        if (name == own) return true;
    }
    return name.starts_with("sec-websocket-");
}

bool has_blank_or_control(const std::string& text) {
    return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c <= ' ' || c == 0x7f; });
}

/// The Hub looks every 30 s for workers that were silent for 60 s.
constexpr Duration longest_heartbeat = 45s;

class Checker {
  public:
    Checker(const LoadRequest& request, Loaded& loaded)
        : request_(request), loaded_(loaded), settings_(loaded.settings) {}

    void run() {
        worker();
        hub_address();
        hub_tls();
        hub_times();
        local_hub();
        control_socket();
        supervision("supervision.", settings_.supervision);
        for (const ConnectorSettings& connector : settings_.connectors) {
            check(connector);
            service(connector);
        }
        stores();
        conversions();
        service_ports();
    }

  private:
    Layer layer(const std::string& key) const {
        const auto found = loaded_.origins.find(key);
        return found == loaded_.origins.end() ? Layer::built_in : found->second.layer;
    }
    std::string where(const std::string& key) const {
        const auto found = loaded_.origins.find(key);
        return found == loaded_.origins.end() ? key : found->second.where;
    }
    void error(const std::string& key, const std::string& message) {
        loaded_.problems.push_back({Severity::error, where(key), "`" + key + "` " + message});
    }
    void warning(const std::string& key, const std::string& message) {
        loaded_.problems.push_back({Severity::warning, where(key), "`" + key + "` " + message});
    }
    void not_above(const std::string& low_key, Duration low, const std::string& high_key, Duration high) {
        if (low <= high) return;
        // Named where the user wrote something: the larger default is seldom what is wrong.
        const bool low_is_default = layer(low_key) == Layer::built_in;
        error(low_is_default ? high_key : low_key,
              low_is_default ? "must not be below `" + low_key + "`" : "must not exceed `" + high_key + "`");
    }

    void worker() {
        const WorkerSettings& worker = settings_.worker;
        if (worker.heartbeat_interval > longest_heartbeat) {
            warning("worker.heartbeat_interval",
                    "is " + human_duration(worker.heartbeat_interval) + " and is taken as " +
                        human_duration(longest_heartbeat) +
                        ": the Hub drops a worker after 60 s without a heartbeat");
            loaded_.settings.worker.heartbeat_interval = longest_heartbeat;
        }
        if (has_blank_or_control(worker.id) || worker.id.find_first_of("/?#%") != std::string::npos) {
            error("worker.id", "becomes part of a URL: it must not contain spaces or any of / ? # %");
        }
        if (!worker.drain_notice_url.empty() && !has_scheme(worker.drain_notice_url, {"http", "https"})) {
            error("worker.drain_notice_url", "must begin with http:// or https:// and name a host");
        }
    }

    void hub_address() {
        const HubSettings& hub = settings_.hub;
        if (hub.url.empty()) {
            host(hub.host);
        } else {
            if (!has_scheme(hub.url, {"ws", "wss", "redis", "rediss"})) {
                error("hub.url",
                      has_scheme(hub.url, {"http", "https"})
                          ? "must begin with ws:// or wss:// instead of http:// or https://"
                          : "must begin with ws:// or wss:// (a Hub), or redis:// or rediss:// (a queue "
                            "in Redis), and name a host");
            } else if (has_blank_or_control(hub.url)) {
                error("hub.url", "must not contain spaces or control characters");
            }
            for (const char* key : {"hub.host", "hub.port", "hub.tls"}) {
                if (layer(key) == Layer::built_in) continue;
                warning(key, "has no effect: `hub.url` is used as it is (" + where("hub.url") + ")");
            }
        }
        if (hub.embedded && (!hub.url.empty() || layer("hub.host") != Layer::built_in)) {
            warning("hub.embedded",
                    "is true: the hub inside this worker is used, `hub.url` and `hub.host` are not");
        }
        if (!hub.proxy.empty() && !has_scheme(hub.proxy, {"http"})) {
            error("hub.proxy", "must be http://host:port");
        }
        for (const auto& [name, value] : hub.headers) {
            if (!is_of_handshake(text::lower(name))) continue;
            error(
                "hub.headers",
                "must not name `" + name +
                    "`: that belongs to the HTTP and WebSocket handshake, in which the worker sets it itself");
        }
        if (std::any_of(hub.token.begin(), hub.token.end(),
                        [](unsigned char c) { return c < ' ' || c == 0x7f; })) {
            error("hub.token", "contains a line break or another control character");
        }
    }

    void host(const std::string& host) {
        if (host.empty()) return error("hub.host", "is empty; name the Hub's host, or set `hub.url`");
        if (host.find("://") != std::string::npos) {
            return error("hub.host",
                         "is a host name only; a whole URL belongs into `hub.url` (REDIS_WS_URL)");
        }
        if (has_blank_or_control(host) || host.find_first_of("/?#@") != std::string::npos) {
            return error("hub.host", "must be a host name or address and nothing else");
        }
        const bool bare_v6 = web::IpAddress::parse(host).has_value();
        if (!bare_v6 && host.find(':') != std::string::npos) {
            error("hub.host", "holds a port; write that into `hub.port` (REDIS_API_PORT)");
        }
    }

    void hub_tls() {
        const HubSettings& hub = settings_.hub;
        if (!hub.client_certificate.empty() && hub.client_key.empty()) {
            error("hub.client_certificate", "needs `hub.client_key` beside it");
        }
        if (!hub.client_key.empty() && hub.client_certificate.empty()) {
            error("hub.client_key", "needs `hub.client_certificate` beside it");
        }
        if (!hub.tls_verify) {
            warning("hub.tls_verify", "is false: anybody on the way can pose as the Hub and read the token");
        }
        must_be_readable("hub.ca_file", hub.ca_file);
        must_be_readable("hub.client_certificate", hub.client_certificate);
        must_be_readable("hub.client_key", hub.client_key);
    }

    void must_be_readable(const std::string& key, const std::filesystem::path& file) {
        if (file.empty()) return;
        const Result<std::string> text = read_file(file);
        if (!text) {
            error(key, "names " + display_name(file, request_.working_dir) + ": " + text.error().message);
        }
    }

    void hub_times() {
        const HubSettings& hub = settings_.hub;
        not_above("hub.reconnect_min", hub.reconnect_min, "hub.reconnect_max", hub.reconnect_max);
    }

    void local_hub() {
        const std::string& listen = settings_.local_hub.listen;
        if (listen.empty()) error("local_hub.listen", "is empty; write an address such as 127.0.0.1");
        const bool loopback = web::is_loopback_host(listen);
        if (!loopback && !listen.empty() && settings_.local_hub.token.empty()) {
            warning(
                "local_hub.listen",
                "is reachable from other machines: set `local_hub.token`, or anybody there can submit jobs");
        }
    }

    void control_socket() {
        constexpr std::size_t longest = 107;  // sockaddr_un::sun_path and its end
        const std::string path = settings_.control.socket.string();
        if (!settings_.control.enabled || path.size() <= longest) return;
        error("control.socket", "is longer than a socket's path may be (" + std::to_string(longest) +
                                    " bytes): " + path + "; set it, or a shorter `worker.state_dir`");
    }

    void supervision(const std::string& prefix, const ProcessSettings& s) {
        not_above(prefix + "backoff_initial", s.backoff_initial, prefix + "backoff_max", s.backoff_max);
        for (const int cpu : s.cpu_affinity) {
            if (request_.cpu_count == 0 || cpu < static_cast<int>(request_.cpu_count)) continue;
            error(prefix + "cpu_affinity", "names CPU " + std::to_string(cpu) + "; this machine has 0 to " +
                                               std::to_string(request_.cpu_count - 1));
        }
    }

    /// What may stand in a store's table is the courier's to judge (settings_check of the command line).
    void stores() {
        std::vector<std::string> known{"inline", "reference"};
        if (const auto hosts = put_hosts(settings_.stores); !hosts)
            error("stores", "has a list `put_allow` that cannot be used: " + hosts.error().message);
        for (const auto& [name, store] : settings_.stores.items()) {
            if (!is_store(name)) continue;
            if (name == "inline" || name == "reference")
                error("stores",
                      "has a table `" + name + "`, the name of a store that is built in; rename it");
            else if (!store.is_object())
                error("stores", "holds tables: write [stores." + name + "] and its keys below");
            known.push_back(name);
        }
        std::set<std::string> used;
        const auto look = [&](const std::string& key, const std::vector<std::string>& names) {
            for (const std::string& name : names) {
                used.insert(name);
                if (text::has_item(known, name)) continue;
                std::string stores;
                for (const std::string& each : known)
                    add_item(stores, "`" + each + "`");
                error(key, "names the store `" + name + "`, which there is not; there are " + stores);
            }
        };
        look("files.deliver", settings_.files.deliver);
        for (const ConnectorSettings& connector : settings_.connectors)
            look(full_key(connector, "deliver"), connector.deliver);
        for (const auto& [name, store] : settings_.stores.items()) {
            if (!is_store(name)) continue;
            const bool by_jobs = store.is_object() && store.value("jobs", nlohmann::json()) == true;
            if (!used.contains(name) && !by_jobs)
                warning("stores",
                        "has [stores." + name +
                            "], to which nothing is delivered by itself: name it in files.deliver or in a "
                            "connector's `deliver`");
        }
    }

    /// What may stand in a command's table is the courier's to judge, too.
    void conversions() {
        const auto look = [&](const std::string& key, const nlohmann::json& table) {
            if (const Result<> fine = check_convert(table, key, settings_.files); !fine)
                loaded_.problems.push_back({Severity::error, where(key), fine.error().message});
        };
        look("files.convert", settings_.files.convert);
        for (const ConnectorSettings& connector : settings_.connectors)
            look(full_key(connector, "convert"), connector.convert);
        for (const auto& [name, table] : settings_.files.commands.items())
            if (!table.is_object())
                error("files.commands",
                      "holds tables: write [files.commands." + name + "] and its keys below");
    }

    void check(const ConnectorSettings& connector) {
        const std::string prefix = "connectors." + connector.name + ".";
        // What it took over from [supervision] unchanged was checked there.
        if (!(connector.supervision == settings_.supervision)) supervision(prefix, connector.supervision);
        if (connector.attach && connector.instances > 1) {
            error(prefix + "attach", "waits for one process, but `" + prefix + "instances` is " +
                                         std::to_string(connector.instances));
        }
        std::set<std::string> seen;
        for (const std::string& type : connector.job_types) {
            if (type.empty()) error(prefix + "job_types", "holds an empty string");
            if (!seen.insert(type).second) error(prefix + "job_types", "names `" + type + "` twice");
        }
    }

    void service(const ConnectorSettings& connector) {
        const ServiceSettings& service = connector.service;
        const std::string prefix = "connectors." + connector.name + ".service.";
        ServiceSettings unset;
        unset.supervision = inherited_by_service(connector.supervision);
        if (!service.enabled()) {
            if (!(service == unset))
                warning(prefix + "command", "is empty: the rest of that table has no effect");
            return;
        }
        if (!(service.supervision == unset.supervision)) supervision(prefix, service.supervision);
        if (service.port != 0 && service.port + connector.instances > 65536) {
            error(prefix + "port", "leaves no ports for " + std::to_string(connector.instances) +
                                       " instances: they use one each, counting up");
        }
        const bool needs_port = service.health_url.find("{port}") != std::string::npos;
        if (needs_port && service.port == 0 && layer(prefix + "health_url") != Layer::built_in) {
            warning(prefix + "health_url", "has no effect: it holds {port}, and `" + prefix + "port` is 0");
        }
        if (!service.health_url.empty() && !has_scheme(service.health_url, {"http", "https"})) {
            error(prefix + "health_url", "must begin with http:// or https:// and name a host");
        }
        const auto& figures = service.vram_figures;
        if (figures.size() > 2 || std::any_of(figures.begin(), figures.end(),
                                              [](const std::string& each) { return !each.starts_with("/"); }))
            error(prefix + "vram_figures",
                  "takes one or two JSON pointers, such as \"/devices/*/vram_total\"; each begins with /");
        if (service.max_vram > 0 && (figures.empty() || service.health_url.empty()))
            warning(prefix + "max_vram", "has no effect: `" + prefix +
                                             (figures.empty() ? "vram_figures" : "health_url") +
                                             "` is empty, so that nothing says how much is in use");
    }

    /// Two companion processes cannot share a port: the second would wait for the first forever.
    void service_ports() {
        std::map<unsigned, std::string> users;
        for (const ConnectorSettings& connector : settings_.connectors) {
            const ServiceSettings& service = connector.service;
            if (!service.enabled() || service.port == 0) continue;
            for (unsigned index = 0; index < connector.instances; ++index) {
                const auto [user, fresh] = users.emplace(service.port + index, connector.name);
                if (fresh) continue;
                error("connectors." + connector.name + ".service.port",
                      "and the instances of `" + connector.name + "` need port " +
                          std::to_string(service.port + index) + ", which the service of `" + user->second +
                          "` has");
                break;
            }
        }
    }

    const LoadRequest& request_;
    Loaded& loaded_;
    const Settings& settings_;
};

}  // namespace

void check_settings(const LoadRequest& request, Loaded& loaded) {
    Checker(request, loaded).run();
}

}  // namespace emprops::config
