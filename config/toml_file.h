#pragma once
// TOML text as a tree of ours, with the line of every key. The only file that knows toml++.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emprops::config {

struct TomlEntry {
    std::string key;
    int line = 0;  ///< 1-based
    bool is_table = false;
    std::vector<TomlEntry> entries;  ///< of a table, in the order of the file
    nlohmann::json value;            ///< everything below, dates as strings; an object if it is a table
};

struct TomlError {
    int line = 0;
    int column = 0;
    std::string message;
    bool operator==(const TomlError&) const = default;
};

struct TomlFile {
    std::vector<TomlEntry> entries;  ///< top level, in the order of the file
    std::optional<TomlError> error;  ///< set: the text is not TOML, `entries` is empty
};

TomlFile parse_toml(std::string_view text);

}  // namespace emprops::config
