#include "config/toml_file.h"

#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

namespace emprops::config {

using nlohmann::json;

namespace {

template <class T>
std::string date_text(const T& value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

// The recursions below are bounded: toml++ refuses values nested deeper than 256.
json to_json(const toml::node& node) {
    if (const auto* table = node.as_table()) {
        json object = json::object();
        for (const auto& [key, value] : *table)
            object[std::string(key.str())] = to_json(value);
        return object;
    }
    if (const auto* array = node.as_array()) {
        json list = json::array();
        for (const toml::node& item : *array)
            list.push_back(to_json(item));
        return list;
    }
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return number->get();
    if (const auto* number = node.as_floating_point()) return number->get();
    if (const auto* truth = node.as_boolean()) return truth->get();
    if (const auto* date = node.as_date()) return date_text(date->get());
    if (const auto* time = node.as_time()) return date_text(time->get());
    if (const auto* both = node.as_date_time()) return date_text(both->get());
    return nullptr;
}

std::vector<TomlEntry> entries_of(const toml::table& table) {
    struct Placed {
        toml::source_position at;
        TomlEntry entry;
    };
    std::vector<Placed> placed;
    for (const auto& [key, node] : table) {
        TomlEntry entry;
        entry.key = std::string(key.str());
        const toml::source_position at = key.source().begin;
        entry.line = static_cast<int>(at.line);
        entry.is_table = node.is_table();
        if (const auto* inner = node.as_table()) entry.entries = entries_of(*inner);
        entry.value = to_json(node);
        placed.push_back({at, std::move(entry)});
    }
    // toml++ keeps tables sorted by name; the order of the file decides which connector comes first.
    std::stable_sort(placed.begin(), placed.end(),
                     [](const Placed& a, const Placed& b) { return a.at < b.at; });
    std::vector<TomlEntry> result;
    for (Placed& item : placed)
        result.push_back(std::move(item.entry));
    return result;
}

}  // namespace

TomlFile parse_toml(std::string_view text) {
    TomlFile file;
    try {
        file.entries = entries_of(toml::parse(text));
    } catch (const toml::parse_error& error) {
        const toml::source_position at = error.source().begin;
        file.error = TomlError{static_cast<int>(at.line), static_cast<int>(at.column),
                               std::string(error.description())};
    }
    return file;
}

}  // namespace emprops::config
