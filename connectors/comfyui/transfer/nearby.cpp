#include "connectors/comfyui/transfer/nearby.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <utility>

#include "connectors/comfyui/text/file_time.h"
#include "connectors/stores/cargo/descriptor.h"
#include "connectors/stores/cargo/reader.h"

namespace emprops::comfyui {
namespace {

constexpr std::uint64_t piece = 64ull << 20;  // so often a cancel is looked for

/// Within the kernel, where the file system shares the bytes of both or copies them itself. How far it came.
std::uint64_t copy_inside(int from, int to, std::uint64_t size, const std::function<bool()>& cancelled) {
    std::uint64_t done = 0;
    while (done < size && !cancelled()) {
        const ssize_t count = ::copy_file_range(from, nullptr, to, nullptr, std::min(piece, size - done), 0);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        done += static_cast<std::uint64_t>(count);
    }
    return done;
}

bool write_all(int to, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(to, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

}  // namespace

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
    const stores::Descriptor to(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!to.ok()) return Copied::not_written;
    const std::uint64_t done = copy_inside(file_.descriptor(), to.get(), file_.size(), cancelled);
    bool written = true;
    const auto rest =
        stores::read_file(file_.descriptor(), done, file_.size() - done, [&](std::string_view bytes) {
            written = write_all(to.get(), bytes);
            return written && !cancelled();
        });
    if (!written) return Copied::not_written;
    if (cancelled()) return Copied::cancelled;
    return rest.ok() && file_.is_unchanged() ? Copied::whole : Copied::not_the_same;
}

}  // namespace emprops::comfyui
