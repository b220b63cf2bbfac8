#include "connectors/courier/settings.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "connectors/stores/names/mime_type.h"

namespace emprops::courier {
namespace {

const SettingRows<Settings>& setting_rows() {
    using S = Settings;
    static const SettingRows<S> rows{
        row(&S::stores, "stores", "A table of stores by their names, see connectors/stores."),
        row(&S::deliver_timeout, "deliver_timeout", "What may pass is tried again for so long, per file.")
            .within(0, 7 * 24 * 3600),
        row(&S::spool, "spool",
            "Absolute path of the folder in which the files are; the courier reads no other."),
        row(&S::converter, "converter", "The program emprops-convert; empty: the one beside this program."),
        row(&S::commands, "commands",
            "Programs by which jobs may have videos converted: name -> command, extension, mime_type, timeout."),
    };
    return rows;
}

const SettingRows<Command>& command_rows() {
    using C = Command;
    static const SettingRows<C> rows{
        row(&C::command, "command", "Program and arguments; {in} and {out} are the files."),
        row(&C::extension, "extension", "Of what it makes, without a dot."),
        row(&C::mime_type, "mime_type", "Of what it makes; empty: by the extension."),
        row(&C::timeout, "timeout", "It is ended after so long.").within(1, 24 * 3600),
    };
    return rows;
}

Command read_command(const std::string& name, const stores::Json& table, const SettingSources& sources) {
    const auto wrong = [&](const std::string& what) { return ConfigurationError("commands." + name + what); };
    if (!table.is_object()) throw wrong(" must be a table");
    Command command;
    try {
        read_rows(command_rows(), table, sources, command);
    } catch (const ConfigurationError& error) {
        throw wrong("." + std::string(error.what()));
    }
    const auto has = [&](const char* word) {
        return std::any_of(command.command.begin(), command.command.end(),
                           [&](const std::string& each) { return each.find(word) != std::string::npos; });
    };
    if (!has("{in}") || !has("{out}")) throw wrong(".command must have {in} and {out} among its arguments");
    const bool plain = !command.extension.empty() && command.extension.size() <= 16 &&
                       std::all_of(command.extension.begin(), command.extension.end(),
                                   [](unsigned char c) { return std::isalnum(c) != 0; });
    if (!plain) throw wrong(".extension must be letters and digits, such as \"mp4\"");
    if (command.mime_type.empty()) command.mime_type = stores::mime_type_of("a." + command.extension);
    return command;
}

std::string beside_us() {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    return (self.parent_path() / "emprops-convert").string();
}

}  // namespace

Settings read_settings(const stores::Json& given) {
    Settings settings;
    SettingSources sources;
    sources.lookup = [](std::string_view) { return std::optional<EnvValue>(); };
    read_rows(setting_rows(), given, sources, settings);
    if (!settings.spool.empty() && !std::filesystem::path(settings.spool).is_absolute())
        throw ConfigurationError("spool must be an absolute path");
    if (settings.converter.empty()) settings.converter = beside_us();
    if (!settings.commands.is_object()) throw ConfigurationError("commands must be a table");
    for (const auto& [name, table] : settings.commands.items())
        settings.known_commands[name] = read_command(name, table, sources);
    settings.catalog = stores::Catalog::read(settings.stores);
    return settings;
}

}  // namespace emprops::courier
