#include "config/setter.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "config/files.h"
#include "config/values.h"
#include "ipc/text/nearest.h"
#include "ipc/text/values.h"

namespace emprops::config {

using nlohmann::json;

namespace {

bool is_table(Kind kind) {
    return kind == Kind::variables || kind == Kind::levels || kind == Kind::json;
}

/// The value of an override below [connectors.NAME.settings]: TOML if it reads as such, else text.
json free_value(const std::string& text) {
    const TomlFile parsed = parse_toml("value = " + text);
    if (parsed.error || parsed.entries.size() != 1) return text;
    return parsed.entries.front().value;
}

}  // namespace

void Setter::problem(Severity severity, const std::string& where, const std::string& message) {
    out_.problems.push_back({severity, where, message});
}

void Setter::note(const Field& field, const std::optional<std::string>& message, const json& entries,
                  const std::string& full_key, const Origin& origin) {
    if (message) {
        problem(Severity::error, origin.where, "`" + full_key + "` " + *message);
    } else if (is_table(field.kind) && entries.is_object()) {
        for (const auto& item : entries.items())
            out_.origins[full_key + "." + item.key()] = origin;
    } else {
        out_.origins[full_key] = origin;
    }
}

void Setter::set(const Field& field, const FileSource& file, const TomlEntry& entry, Slot slot,
                 const std::string& full_key) {
    if (!is_table(field.kind) || !entry.is_table) {
        set(field, entry.value, slot, full_key, file.origin(entry), file.base);
        return;
    }
    for (const TomlEntry& below : entry.entries) {
        json value = json::object();
        value[below.key] = below.value;
        set(field, value, slot, full_key, file.origin(below), file.base);
    }
}

void Setter::set(const Field& field, const json& value, Slot slot, const std::string& full_key,
                 const Origin& origin, const std::filesystem::path& base) {
    note(field, assign(field, value, slot, base), value, full_key, origin);
}

void Setter::set_from(const VariableSource& source, std::span<const std::string> names, const Field& field,
                      Slot slot, const std::string& full_key) {
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
        const auto found = source.variables.find(*name);
        if (found == source.variables.end()) continue;
        const Variable& variable = found->second;
        // The origin of a table is that of its entries; a variable holds the whole of it.
        json entries;
        if (is_table(field.kind)) {
            for (const std::string& item : text::split_list(variable.value))
                entries[item.substr(0, item.find('='))];
        }
        note(field, assign_text(field, variable.value, slot, source.base), entries, full_key,
             {source.layer, variable.where});
    }
}

void Setter::set(const Field& field, const Override& override, std::string_view below, Slot slot,
                 const std::string& full_key, const std::filesystem::path& base) {
    if (below.empty()) {
        note(field, assign_text(field, override.value, slot, base), json(), full_key, override.origin());
        return;
    }
    if (!is_table(field.kind)) {
        problem(Severity::error, override.origin().where, "`" + full_key + "` is not a table");
        return;
    }
    json value = field.kind == Kind::json ? free_value(override.value) : json(override.value);
    if (field.kind == Kind::json) {
        const std::vector<std::string> parts = text::split_list(below, '.');
        for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
            json outer = json::object();
            outer[*part] = std::move(value);
            value = std::move(outer);
        }
    } else {
        json outer = json::object();
        outer[std::string(below)] = std::move(value);
        value = std::move(outer);
    }
    set(field, value, slot, full_key, override.origin(), base);
}

void Setter::unknown_key(const std::string& where, const std::string& full_key,
                         std::span<const std::string> candidates) {
    const std::string message = "unknown key `" + full_key + "`";
    std::optional<std::string> meant = text::meant(full_key, candidates);
    if (!meant) {  // the right key in the wrong table, or the name of a variable
        const std::string last = full_key.substr(full_key.rfind('.') + 1);
        for (const Field& field : fields()) {
            const std::vector<std::string> names = field.variables();
            if (field.key == last || std::find(names.begin(), names.end(), last) != names.end()) {
                meant = field.full_key();
                break;
            }
        }
    }
    problem(Severity::error, where, message + (meant ? "; did you mean `" + *meant + "`?" : ""));
}

}  // namespace emprops::config
