#pragma once
// In which form files are delivered: what stands in [files.convert], [connectors.NAME.convert] and [files.commands]. Pure.

#include <string>
#include <vector>

#include "config/settings.h"
#include "ipc/convert_wish.h"
#include "ipc/result.h"

namespace emprops::config {

/// Of a table that is checked; nothing of one that is wrong.
ipc::ConvertWish convert_wish(const nlohmann::json& table);
/// What is wrong with a table of this key: with its members, or with the command that it names.
Result<> check_convert(const nlohmann::json& table, const std::string& key, const FilesSettings& files);

/// Names of [files.commands].
std::vector<std::string> command_names(const FilesSettings& files);
/// "mp4"; empty: there is no such command.
std::string command_extension(const FilesSettings& files, const std::string& name);

}  // namespace emprops::config
