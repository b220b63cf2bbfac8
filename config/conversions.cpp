#include "config/conversions.h"

#include "ipc/json_text.h"
#include "ipc/text/people.h"

namespace emprops::config {

ipc::ConvertWish convert_wish(const nlohmann::json& table) {
    auto wish = ipc::read_convert_wish(table, "convert");
    return wish ? std::move(*wish) : ipc::ConvertWish{};
}

Result<> check_convert(const nlohmann::json& table, const std::string& key, const FilesSettings& files) {
    const auto wish = ipc::read_convert_wish(table, key);
    if (!wish) return wish.error();
    if (!wish->video || files.commands.contains(*wish->video)) return Ok{};
    std::string all;
    for (const std::string& name : command_names(files))
        add_item(all, name);
    return Error{"no_command", key + ".video.command is \"" + *wish->video +
                                   "\", and there is no [files.commands." + *wish->video + "]" +
                                   (all.empty() ? "" : "; there are " + all)};
}

std::vector<std::string> command_names(const FilesSettings& files) {
    std::vector<std::string> names;
    for (const auto& [name, table] : files.commands.items())
        names.push_back(name);
    return names;
}

std::string command_extension(const FilesSettings& files, const std::string& name) {
    const auto found = files.commands.find(name);
    return found == files.commands.end() || !found->is_object() ? ""
                                                                : ipc::text_or_empty(*found, "extension");
}

}  // namespace emprops::config
