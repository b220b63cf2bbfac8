#include "connectors/comfyui/transfer/nearby.h"

#include <fcntl.h>

#include <filesystem>
#include <utility>

#include "connectors/comfyui/text/file_time.h"
#include "connectors/stores/cargo/copy.h"
#include "ipc/unique_fd.h"

namespace emprops::comfyui {

std::optional<NearbyFile> NearbyFile::open(const std::string& comfyui_folder, const OutputFile& file) {
    if (comfyui_folder.empty() || (file.type != "output" && file.type != "temp")) return {};
    const std::string inside = (std::filesystem::path(file.subfolder) / file.filename).lexically_normal();
    auto opened = stores::open_inside(comfyui_folder + "/" + file.type, inside);
    if (!opened.ok()) return {};
    return NearbyFile(std::move(*opened));
}

std::string NearbyFile::etag() const {
    return etag_of(file_.modified_ns(), file_.size());
}

NearbyFile::Copied NearbyFile::copy_to(const std::string& path,
                                       const std::function<bool()>& cancelled) const {
    const UniqueFd to(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!to) return Copied::not_written;
    const auto copied =
        stores::copy_file(file_.descriptor(), file_.size(), to.get(), [&] { return !cancelled(); });
    if (!copied.ok() && copied.error().code == "unwritable") return Copied::not_written;
    if (cancelled()) return Copied::cancelled;
    return copied.ok() && file_.is_unchanged() ? Copied::whole : Copied::not_the_same;
}

}  // namespace emprops::comfyui
