#include "config/setter.h"

#include <nlohmann/json.hpp>

#include "config/files.h"
#include "ipc/text/nearest.h"
#include "ipc/text/values.h"

namespace emprops::config {

using settings::Complaint;
using settings::Json;
using settings::RowInfo;
using settings::Shape;

namespace {

/// The value of an override below [connectors.NAME.settings]: TOML if it reads as such, else text.
Json free_value(const std::string& text) {
    const TomlFile parsed = parse_toml("value = " + text);
    if (parsed.error || parsed.entries.size() != 1) return text;
    return parsed.entries.front().value;
}

}  // namespace

void Setter::problem(Severity severity, const std::string& where, const std::string& message) {
    out_.problems.push_back({severity, where, message});
}

void Setter::note(const RowInfo& row, const Complaint& complaint, const Json& entries,
                  const std::string& full_key, const Origin& origin) {
    if (complaint) {
        problem(Severity::error, origin.where, "`" + full_key + "` " + *complaint);
    } else if (row.shape != Shape::value && entries.is_object()) {
        for (const auto& item : entries.items())
            out_.origins[full_key + "." + item.key()] = origin;
    } else {
        out_.origins[full_key] = origin;
    }
}

void Setter::set(const RowInfo& row, const FileSource& file, const TomlEntry& entry, const Sink& into,
                 const std::string& full_key) {
    if (row.shape == Shape::value || !entry.is_table) {
        set(row, entry.value, into, full_key, file.origin(entry), file.base);
        return;
    }
    for (const TomlEntry& below : entry.entries) {
        Json value = Json::object();
        value[below.key] = below.value;
        set(row, value, into, full_key, file.origin(below), file.base);
    }
}

void Setter::set(const RowInfo& row, const Json& value, const Sink& into, const std::string& full_key,
                 const Origin& origin, const std::filesystem::path& base) {
    note(row, into(value, base), value, full_key, origin);
}

void Setter::set_from(const VariableSource& source, std::span<const std::string> names, const RowInfo& row,
                      const Sink& into, const std::string& full_key) {
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
        const auto found = source.variables.find(*name);
        if (found == source.variables.end()) continue;
        const Variable& variable = found->second;
        const Json value = row.from_text(variable.value);
        note(row, into(value, source.base), value, full_key, {source.layer, variable.where});
    }
}

void Setter::set(const RowInfo& row, const Override& override, std::string_view below, const Sink& into,
                 const std::string& full_key, const std::filesystem::path& base) {
    if (below.empty()) {
        const Complaint complaint = into(row.from_text(override.value), base);
        note(row, complaint, Json(), full_key, override.origin());
        return;
    }
    if (row.shape == Shape::value) {
        problem(Severity::error, override.origin().where, "`" + full_key + "` is not a table");
        return;
    }
    const bool free = row.shape == Shape::free;
    Json value = free ? free_value(override.value) : Json(override.value);
    const std::vector<std::string> parts =
        free ? text::split_list(below, '.') : std::vector{std::string(below)};
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
        Json outer = Json::object();
        outer[*part] = std::move(value);
        value = std::move(outer);
    }
    set(row, value, into, full_key, override.origin(), base);
}

void Setter::unknown_key(const std::string& where, const std::string& full_key,
                         std::span<const std::string> candidates) {
    if (const settings::Retired* found = find_retired(full_key)) return retired(where, full_key, *found);
    const std::string message = "unknown key `" + full_key + "`";
    std::optional<std::string> meant = text::meant(full_key, candidates);
    if (!meant) {  // the right key in the wrong table, or the name of a variable
        const std::string last = full_key.substr(full_key.rfind('.') + 1);
        for (const Field& field : fields()) {
            const std::vector<std::string> names = field.variables();
            if (field.key == last || text::has_item(names, last)) {
                meant = field.full_key();
                break;
            }
        }
    }
    problem(Severity::error, where, message + (meant ? "; did you mean `" + *meant + "`?" : ""));
}

void Setter::retired(const std::string& where, const std::string& name, const settings::Retired& retired) {
    problem(Severity::warning, where,
            "`" + name + "` is no setting any more and changes nothing: " + std::string(retired.instead));
}

}  // namespace emprops::config
