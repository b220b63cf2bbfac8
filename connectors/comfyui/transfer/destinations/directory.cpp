#include "connectors/comfyui/transfer/destinations/directory.h"

#include <filesystem>

namespace emprops::comfyui {

namespace fs = std::filesystem;

Destination make_directory(const std::string& folder, const std::string& target_template) {
    return [base = fs::path(folder).lexically_normal(), target_template,
            taken = std::set<std::string>()](const Cargo& cargo) mutable -> Placement {
        const fs::path wanted = (base / fill_template(target_template, cargo.values)).lexically_normal();
        const fs::path target = free_target(taken, wanted.string());
        const fs::path inside = target.lexically_relative(base);
        if (inside.empty() || *inside.begin() == "..") {
            return failure_of("internal", "configuration", "directory_template leads out of directory",
                              false);
        }
        std::error_code error;
        fs::create_directories(target.parent_path(), error);
        const fs::path partial = target.string() + ".part";
        fs::copy_file(cargo.path, partial, fs::copy_options::overwrite_existing, error);
        if (!error) fs::rename(partial, target, error);
        if (error) {
            return failure_of(
                "comfyui.delivery_failed", "delivery",
                "cannot copy \"" + cargo.file.filename + "\" to " + target.string() + ": " + error.message());
        }
        return Placed{{{"path", target.string()}}};
    };
}

}  // namespace emprops::comfyui
