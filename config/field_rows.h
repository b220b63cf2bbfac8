#pragma once
// How the rows of the table of settings are written. Internal to config/: fields.cpp and service_fields.cpp.

#include <string>
#include <utility>
#include <vector>

#include "config/fields.h"

namespace emprops::config {

inline constexpr double day = 24 * 3600;

/// Reads like a row of a table: in_hub(member, "key", kind, "sentence") and what is special after it.
struct Row : Field {
    /// A variable of the Python worker; WORKER_<name> (its later generation) wins over <name>.
    Row also(std::string_view name) && {
        legacy = {"WORKER_" + std::string(name), std::string(name)};
        return std::move(*this);
    }
    Row named(std::vector<std::string> names) && {
        legacy = std::move(names);
        return std::move(*this);
    }
    Row one_of(std::vector<std::string_view> words) && {
        choices = std::move(words);
        return std::move(*this);
    }
    Row range(double from, double to) && {
        min = from;
        max = to;
        return std::move(*this);
    }
    Row hidden() && {
        secret = true;
        return std::move(*this);
    }
    Row with_token() && {
        may_hold_token = true;
        return std::move(*this);
    }
};

inline Row row(std::string_view table, std::string_view key, Kind kind, std::string_view sentence) {
    Row result;
    result.table = table;
    result.key = key;
    result.kind = kind;
    result.sentence = sentence;
    return result;
}

}  // namespace emprops::config
