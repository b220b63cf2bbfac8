#include "config/masked.h"

#include "ipc/text/values.h"

namespace emprops::config {

using nlohmann::json;

namespace {

/// A name under which people keep secrets. A connector's variables and settings are free, so only the name
/// can tell; rather one hidden too many.
bool names_secret(std::string_view name) {
    const std::string text = text::lower(name);
    for (const std::string_view part : {"pass", "token", "secret", "key", "auth", "credential", "cookie"}) {
        if (text.find(part) != std::string::npos) return true;
    }
    return false;
}

}  // namespace

std::string masked_url(const std::string& url) {
    std::string result = url;
    const std::size_t scheme = result.find("://");
    if (scheme == std::string::npos) return result;
    const std::size_t end = result.find_first_of("/?#", scheme + 3);
    const std::size_t at = result.substr(0, end).rfind('@');
    if (at != std::string::npos && at > scheme) {
        result = result.substr(0, scheme + 3) + "(hidden)" + result.substr(at);
    }
    const std::size_t query = result.find('?');
    if (query != std::string::npos && query + 1 < result.size())
        result = result.substr(0, query) + "?(hidden)";
    return result;
}

json masked(const std::string& name, const json& value) {
    if (names_secret(name) && !value.is_object()) return value.empty() ? value : json(hidden);
    if (value.is_string()) return masked_url(value.get<std::string>());
    if (value.is_array()) {
        json list = json::array();
        for (const json& item : value)
            list.push_back(masked(name, item));
        return list;
    }
    if (!value.is_object()) return value;
    json object = json::object();
    for (const auto& item : value.items())
        object[item.key()] = masked(item.key(), item.value());
    return object;
}

}  // namespace emprops::config
