#pragma once
// Brings a job's files from ComfyUI to where they are wanted and describes them for the result. Blocking; on
// the job's thread; one object per job.

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "connectors/comfyui/server/api.h"
#include "connectors/comfyui/settings.h"
#include "connectors/comfyui/text/failure.h"
#include "connectors/comfyui/text/outputs.h"
#include "connectors/comfyui/text/payload.h"
#include "connectors/comfyui/text/web.h"
#include "connectors/comfyui/transfer/destinations/destination.h"
#include "emprops/connector.h"

namespace emprops::comfyui {

/// What holds for one job: the settings, narrowed by the payload's wishes. Errors are "invalid_payload" (a
/// job may not ask for a policy that the settings do not allow).
Result<OutputSettings> output_rules(const OutputSettings& settings, const OutputWishes& wishes);

struct JobNames {
    std::string job_id;
    std::string prompt_id;
    std::string work_dir;
    std::string own_folder;                     ///< of the job, in ComfyUI's output
    std::vector<std::string> cached_nodes;      ///< their files may be another job's too
    bool own_run = true;                        ///< the prompt was run for this assignment
    std::optional<std::int64_t> ended_at_ms{};  ///< of the prompt, by ComfyUI's clock: no file is younger
};

class Delivery {
  public:
    /// Gives a file to the worker, which delivers it; what stands for its entry in the result.
    using Hand = std::function<Json(emprops::OutputFile)>;
    /// `inline_used`: what else of the result's inline budget is taken, such as texts. `hand`: empty, if the connector
    /// brings the files away itself.
    Delivery(Api& api, const Settings& settings, OutputSettings rules, JobNames names,
             std::function<bool()> cancelled, const Pause& pause, std::uint64_t inline_used, Hand hand = {});

    struct FilesGone {};  ///< ComfyUI does not have a file that it named, or does not serve its name
    /// Downloads and delivers one file; its entry for the result. What may pass is tried again for
    /// unreachable_timeout, at each destination in turn.
    std::variant<Json, FilesGone, Failure> deliver(const OutputFile& file);
    /// The same for a picture that came over the WebSocket.
    std::variant<Json, Failure> deliver_bytes(const OutputFile& file, const std::string& bytes);
    /// With delete_delivered, once all files are delivered: removes those that are this job's alone.
    void remove_delivered();
    /// A file was another prompt's: on this server the slot must not be given back before the files are here.
    bool found_replaced() const { return replaced_; }
    /// A link into ComfyUI may be given out for a file that the worker delivers.
    bool gave_links() const { return gave_links_; }
    /// Not empty: links were given out that not everybody can open; the reason, for people.
    const std::string& local_links() const { return local_links_; }
    /// Files that went to a later destination since an earlier one failed; for people.
    const std::set<std::string>& detours() const { return detours_; }

  private:
    struct Named {
        std::string policy;  // as in `deliver`
        Destination destination;
        Tries tries;
    };
    /// Why one of the destinations does not have a file.
    struct Miss {
        std::string policy, why, cure;
        std::optional<Failure> failure;  // nullopt: it is not for this file
    };

    std::string next_path();
    Failure replaced(const OutputFile& file);
    std::variant<Json, Failure> hand_over(const OutputFile& file, const std::string& path, bool in_comfyui);
    std::variant<Json, Failure> place(const OutputFile& file, const std::string& path, bool in_comfyui);
    std::variant<Placed, Miss> try_at(Named& destination, const Cargo& cargo);
    Failure no_destination(const Cargo& cargo, const std::vector<Miss>& misses) const;
    void remember_delivered(const OutputFile& file);

    Api& api_;
    const Settings& settings_;
    OutputSettings rules_;
    JobNames names_;
    std::function<bool()> cancelled_;
    Tries downloads_;
    Hand hand_;
    std::uint64_t inline_left_;
    bool replaced_ = false, gave_links_ = false;
    std::vector<Named> destinations_;     // in the order in which they are tried
    std::vector<std::string> delivered_;  // files of ComfyUI's that are to be removed
    int count_ = 0;
    std::string local_links_;
    std::set<std::string> detours_;
};

}  // namespace emprops::comfyui
