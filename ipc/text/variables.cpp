#include "ipc/text/variables.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "ipc/text/values.h"

namespace emprops::text {

std::string variable_name(std::string_view name) {
    std::string result;
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        result += std::isalnum(byte) != 0 ? static_cast<char>(std::toupper(byte)) : '_';
    }
    return result;
}

bool is_service_link(std::string_view value) {
    value = bare(value);
    const std::size_t scheme = value.find("://");
    if (scheme == std::string_view::npos) return false;
    const std::string_view protocol = value.substr(0, scheme);
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") return false;
    const std::string_view address = value.substr(scheme + 3);
    const std::size_t colon = address.rfind(':');
    return colon != std::string_view::npos && parse_integer(address.substr(colon + 1)).has_value();
}

bool is_of_service_link(std::string_view variable) {
    static constexpr std::array<const char*, 4> patterns = {"*_SERVICE_HOST", "*_SERVICE_PORT",
                                                            "*_SERVICE_PORT_*", "*_PORT_[0-9]*_*"};
    const std::string name(variable);
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const char* pattern) { return fnmatch(pattern, name.c_str(), 0) == 0; });
}

}  // namespace emprops::text
