#include "supervisor/process/child_environment.h"

#include <unistd.h>

#include <string_view>

#include "config/variables.h"
#include "ipc/text/values.h"
#include "ipc/web/url.h"

namespace emprops::process {

namespace {

std::map<std::string, std::string> base_environment(const std::vector<std::string>& own) {
    std::map<std::string, std::string> result;
    for (const std::string& entry : own) {
        const std::size_t equals = entry.find('=');
        if (equals == std::string::npos ||
            !config::every_child_gets(std::string_view(entry).substr(0, equals)))
            continue;
        result[entry.substr(0, equals)] = entry.substr(equals + 1);
    }
    return result;
}

/// No deeper than the configuration's loader allows.
void fill_in(nlohmann::json& value, const std::string& port) {
    if (value.is_string()) {
        value = text::replaced(value.get<std::string>(), "{service_port}", port);
    } else if (value.is_structured()) {
        for (auto& item : value)
            fill_in(item, port);
    }
}

}  // namespace

std::string with_instance(std::string text, int index) {
    return text::replaced(std::move(text), "{instance}", std::to_string(index));
}

std::uint16_t service_port(const config::ConnectorSettings& settings, int index) {
    const config::ServiceSettings& service = settings.service;
    if (!service.enabled() || service.port == 0) return 0;
    return static_cast<std::uint16_t>(service.port + index);
}

std::string for_connector(const std::string& text, const config::ConnectorSettings& settings, int index) {
    const std::uint16_t port = service_port(settings, index);
    std::string result = with_instance(text, index);
    return port == 0 ? result : text::replaced(std::move(result), "{service_port}", std::to_string(port));
}

nlohmann::json settings_for_connector(const config::ConnectorSettings& settings, int index) {
    nlohmann::json result = settings.settings;
    if (const std::uint16_t port = service_port(settings, index); port != 0)
        fill_in(result, std::to_string(port));
    return result;
}

std::string for_service(const std::string& text, const config::ConnectorSettings& settings, int index) {
    return text::replaced(with_instance(text, index), "{port}",
                          std::to_string(service_port(settings, index)));
}

namespace {

/// The loopback address at which the service listens: that of its page, if it has one.
std::string service_host(const config::ConnectorSettings& settings, int index) {
    const auto page = web::Url::parse(for_service(settings.service.health_url, settings, index));
    const bool loopback = page && (page->host == "::1" || page->host.starts_with("127."));
    return loopback ? page->host : "127.0.0.1";
}

}  // namespace

std::map<std::string, std::string> child_environment(const config::ConnectorSettings& settings, int index,
                                                     const std::vector<std::string>& own) {
    std::map<std::string, std::string> result = base_environment(own);
    for (const auto& [name, value] : settings.env)
        result[name] = for_connector(value, settings, index);
    if (const std::uint16_t port = service_port(settings, index); port != 0) {
        result["EMPROPS_SERVICE_PORT"] = std::to_string(port);
        result["EMPROPS_SERVICE_URL"] = "http://" + web::Url::authority(service_host(settings, index), port);
    }
    result["EMPROPS_CONNECTOR"] = "1";
    return result;
}

std::map<std::string, std::string> service_environment(const config::ConnectorSettings& settings, int index,
                                                       const std::vector<std::string>& own) {
    std::map<std::string, std::string> result = base_environment(own);
    for (const auto& [name, value] : settings.service.env)
        result[name] = for_service(value, settings, index);
    return result;
}

ProgramSearch connector_search(const config::ConnectorSettings& settings, int index,
                               const std::vector<std::string>& own) {
    return {settings.name, settings.command.empty() ? "" : settings.command.front(),
            child_environment(settings, index, own)};
}

ProgramSearch service_search(const config::ConnectorSettings& settings, int index,
                             const std::vector<std::string>& own) {
    return {settings.name + ".service", for_service(settings.service.command.front(), settings, index),
            service_environment(settings, index, own)};
}

std::vector<std::string> own_environment() {
    std::vector<std::string> entries;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry)
        entries.emplace_back(*entry);
    return entries;
}

}  // namespace emprops::process
