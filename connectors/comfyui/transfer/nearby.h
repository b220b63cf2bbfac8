#pragma once
// An output file in ComfyUI's own folder, where that is on this machine: it is copied instead of downloaded, once ComfyUI
// has said that it would serve this very one. Never a link of any kind: nodes overwrite files in place. Blocking; on the
// job's thread.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "connectors/comfyui/text/outputs.h"
#include "connectors/stores/cargo/open_cargo.h"

namespace emprops::comfyui {

class NearbyFile {
  public:
    /// nullopt: the folder has no such file, it is reached through a link, or we may not read it.
    static std::optional<NearbyFile> open(const std::string& comfyui_folder, const OutputFile& file);

    std::uint64_t size() const { return file_.size(); }
    std::int64_t written_at_ms() const { return file_.modified_ns() / 1'000'000; }
    /// As ComfyUI names the file in this very state (connectors/comfyui/API.md 5.3).
    std::string etag() const;

    enum class Copied {
        whole,
        not_the_same,  ///< it was changed meanwhile, or could not be read to its end
        not_written,   ///< errno says why
        cancelled,
    };
    /// `path` is made anew.
    Copied copy_to(const std::string& path, const std::function<bool()>& cancelled) const;

  private:
    explicit NearbyFile(stores::OpenCargo file) : file_(std::move(file)) {}

    stores::OpenCargo file_;
};

}  // namespace emprops::comfyui
