#pragma once
// Brings a job's files out of ComfyUI into the job's folder, and names them to the worker, which delivers them. Blocking;
// on the job's thread; one object per job.

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "connectors/comfyui/server/api.h"
#include "connectors/comfyui/settings.h"
#include "connectors/comfyui/text/failure.h"
#include "connectors/comfyui/text/outputs.h"
#include "connectors/comfyui/text/web.h"
#include "connectors/comfyui/transfer/wanted.h"
#include "emprops/connector.h"

namespace emprops::comfyui {

/// Of the run whose files these are.
struct RunOfFiles {
    std::string work_dir;                       ///< of the job
    std::string own_folder;                     ///< of the job, in ComfyUI's output
    std::vector<std::string> cached_nodes;      ///< their files may be another job's too
    bool own_run = true;                        ///< the prompt was run for this assignment
    std::optional<std::int64_t> ended_at_ms{};  ///< of the prompt, by ComfyUI's clock: no file is younger
};

class Fetching {
  public:
    /// Gives a file to the worker; what stands for its entry in the result.
    using Hand = std::function<Json(emprops::OutputFile)>;
    /// `inline_used`: what else of the result's inline budget is taken, such as texts.
    Fetching(Api& api, const Settings& settings, Wanted wanted, RunOfFiles run,
             std::function<bool()> cancelled, const Pause& pause, std::uint64_t inline_used, Hand hand);

    struct FilesGone {};  ///< ComfyUI does not have a file that it named, or does not serve its name
    /// Fetches one file; what stands for its entry. What may pass is tried again for unreachable_timeout.
    std::variant<Json, FilesGone, Failure> fetch(const OutputFile& file);
    /// The same for a picture that came over the WebSocket.
    std::variant<Json, Failure> keep(const OutputFile& file, const std::string& bytes);
    /// With delete_delivered, once all files are here: removes those of ComfyUI's that are this job's alone.
    void remove_originals();
    /// A file was another prompt's: on this server the slot must not be given back before the files are here.
    bool found_replaced() const { return replaced_; }
    /// A link into ComfyUI may be given out.
    bool gave_links() const { return gave_links_; }

  private:
    std::string next_path();
    Api::Download bring(const OutputFile& file, const std::string& path);
    Failure replaced(const OutputFile& file);
    std::optional<Failure> limit_inline(const OutputFile& file, std::uint64_t size, bool in_comfyui,
                                        std::vector<std::string>& stores);
    std::variant<Json, Failure> hand_over(const OutputFile& file, const std::string& path, bool in_comfyui);
    void remember_original(const OutputFile& file);

    Api& api_;
    const Settings& settings_;
    const Wanted wanted_;
    const RunOfFiles run_;
    std::function<bool()> cancelled_;
    Tries downloads_;
    Hand hand_;
    std::uint64_t inline_used_;
    bool replaced_ = false, gave_links_ = false;
    std::vector<std::string> originals_;  // files of ComfyUI's that are to be removed
    int count_ = 0;
};

}  // namespace emprops::comfyui
