#include "supervisor/process/child_environment.h"

#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace emprops::process {

namespace {

bool base_variable(std::string_view name) {
    static constexpr std::string_view names[] = {"PATH",   "HOME", "LANG",  "TZ",
                                                 "TMPDIR", "USER", "SHELL", "LD_LIBRARY_PATH"};
    return std::find(std::begin(names), std::end(names), name) != std::end(names) ||
           name.rfind("LC_", 0) == 0;
}

}  // namespace

std::string with_instance(std::string text, int index) {
    static constexpr std::string_view mark = "{instance}";
    const std::string number = std::to_string(index);
    for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += number.size())
        text.replace(at, mark.size(), number);
    return text;
}

std::map<std::string, std::string> child_environment(const config::ConnectorSettings& settings, int index,
                                                     const std::vector<std::string>& own) {
    std::map<std::string, std::string> result;
    for (const std::string& entry : own) {
        const std::size_t equals = entry.find('=');
        if (equals == std::string::npos || !base_variable(std::string_view(entry).substr(0, equals)))
            continue;
        result[entry.substr(0, equals)] = entry.substr(equals + 1);
    }
    for (const auto& [name, value] : settings.env)
        result[name] = with_instance(value, index);
    result["EMPROPS_CONNECTOR"] = "1";
    return result;
}

std::vector<std::string> own_environment() {
    std::vector<std::string> entries;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry)
        entries.emplace_back(*entry);
    return entries;
}

}  // namespace emprops::process
