#pragma once
// What holds for the files of one job: the settings, and what its payload wishes. Which stores a job may name says the
// worker (`hello.files`). Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "connectors/comfyui/settings.h"
#include "connectors/comfyui/text/payload.h"
#include "emprops/connector.h"
#include "ipc/result.h"

namespace emprops::comfyui {

struct Wanted {
    bool temp = false;            ///< previews (type temp) too
    bool strip_metadata = false;  ///< take the workflow and other metadata out of files
    std::vector<std::string> stores{"inline", "reference"};  ///< tried in this order, per file
    bool named = false;                               ///< by the job: the worker's own order does not count
    std::optional<std::uint64_t> inline_max_bytes{};  ///< all inline files and texts together, before base64

    bool names(const char* store) const;
};

/// Errors are "invalid_payload": a job may not name a store that is not for jobs.
Result<Wanted> wanted_of(const OutputSettings& settings, const FilesOffer& offer, const OutputWishes& wishes);

}  // namespace emprops::comfyui
