#include "connectors/comfyui/text/prompt_id.h"

#include <filesystem>
#include <fstream>
#include <system_error>

#include "ipc/web/uuid.h"

namespace emprops::comfyui {
namespace {

/// The folder in which the work folders of the instances lie; ends with a slash.
std::string common_folder(std::string_view work_dir) {
    while (!work_dir.empty() && work_dir.back() == '/') {
        work_dir.remove_suffix(1);
    }
    return std::string(work_dir.substr(0, work_dir.find_last_of('/') + 1));
}

/// A value that is the same for all instances and never changes; empty where it cannot be stored.
std::string stored_random(const std::string& folder, std::string_view connector) {
    const std::filesystem::path path = folder + "." + std::string(connector) + "-scope";
    const auto read = [&] {
        std::string text;
        std::ifstream(path) >> text;
        return text;
    };
    std::string value = read();
    if (!value.empty()) return value;
    value = uuid_v4();
    const std::filesystem::path partial = path.string() + "-" + value;
    std::error_code error;
    bool written = false;
    {
        std::ofstream file(partial);
        file << value << '\n' << std::flush;
        written = file.good();
    }
    // Of several instances that start at once one wins; a file that a full disk left empty is replaced.
    if (written) {
        std::filesystem::create_hard_link(partial, path, error);
        if (error && read().empty()) std::filesystem::rename(partial, path, error);
    }
    std::filesystem::remove(partial, error);
    return read();
}

// Made once for this connector; all that matters is that it never changes.
constexpr std::string_view root_space = "5a2c9f5e-6f0b-4a53-9d3c-0c1f3e6b7a10";

}  // namespace

PromptNames::PromptNames(std::string scope) : space_(uuid_v5(root_space, scope)) {}

std::string PromptNames::prompt(std::string_view job_id, std::string_view payload, int submission) const {
    return uuid_v5(space_, "prompt/" + std::to_string(submission) + "/" + std::string(payload) + "/" +
                               std::string(job_id));
}

std::string PromptNames::client(int instance) const {
    return uuid_v5(space_, "client/" + std::to_string(instance));
}

std::string prompt_scope(std::string_view hub, std::string_view worker_id, std::string_view connector,
                         std::string_view work_dir) {
    const std::string folder = common_folder(work_dir);
    return std::string(hub) + "\n" + std::string(worker_id) + "\n" + std::string(connector) + "\n" + folder +
           "\n" + stored_random(folder, connector);
}

}  // namespace emprops::comfyui
