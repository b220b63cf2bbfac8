#pragma once
// Brings a job's files from ComfyUI to where they are wanted and describes them for the result. Blocking; on
// the job's thread; one object per job.

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

namespace emprops::comfyui {

/// What holds for one job: the settings, narrowed by the payload's wishes. Errors are "invalid_payload" (a
/// job may not ask for a policy that the settings do not allow).
Result<OutputSettings> output_rules(const OutputSettings& settings, const OutputWishes& wishes);

struct JobNames {
    std::string job_id;
    std::string prompt_id;
    std::string work_dir;
    std::string own_folder;                 ///< of the job, in ComfyUI's output
    std::vector<std::string> cached_nodes;  ///< their files may be another job's too
    bool own_run = true;                    ///< the prompt was run for this assignment
};

/// "a/b.png" -> "a/b-2.png" where the first one is taken already; remembers what it gives.
std::string free_target(std::set<std::string>& taken, const std::string& target);

/// Whether a file of `size` bytes may go inline after `used` bytes have.
bool fits_inline(const OutputSettings& rules, std::uint64_t used, std::uint64_t size);

class Delivery {
  public:
    /// `inline_used`: what else of the result's inline budget is taken, such as texts.
    Delivery(Api& api, const Settings& settings, OutputSettings rules, JobNames names,
             std::function<bool()> cancelled, Pause pause, std::uint64_t inline_used);

    struct FilesGone {};  ///< ComfyUI no longer has a file that it named
    /// Downloads and delivers one file; its entry for the result.
    std::variant<Json, FilesGone, Failure> deliver(const OutputFile& file);
    /// With delete_delivered, once all files are delivered: removes those that are this job's alone.
    void remove_delivered();
    /// The same for a picture that came over the WebSocket.
    std::variant<Json, Failure> deliver_bytes(const OutputFile& file, const std::string& bytes);
    /// Not empty: links were given out that not everybody can open; the reason, for people.
    const std::string& local_links() const { return local_links_; }

  private:
    using Values = std::vector<std::pair<std::string, std::string>>;
    /// A request that gets no usable answer is made so often, with pauses of once, twice ... this.
    static constexpr int tries = 3;
    static constexpr Ms first_pause{300};

    static Failure failure(std::string code, std::string message, bool retryable, const char* error_class) {
        return {std::move(code), std::move(message), retryable, {{"class", error_class}}};
    }
    void remember_delivered(const OutputFile& file);
    // delivery_place.cpp; each fills `entry`, or says why it is not the destination for this file
    std::variant<Json, Failure> place(const OutputFile& file, const std::string& path, bool in_comfyui);
    std::optional<Failure> strip(const OutputFile& file, const std::string& path) const;
    std::optional<std::string> place_inline(const std::string& path, std::uint64_t size, Json& entry,
                                            std::optional<Failure>& failed);
    std::optional<std::string> place_reference(const OutputFile& file, bool in_comfyui, Json& entry);
    std::optional<Failure> place_in_directory(const OutputFile& file, const std::string& path,
                                              const Values& fill, Json& entry);
    std::optional<Failure> place_by_put(const OutputFile& file, const std::string& path, bool s3,
                                        const Values& fill, Json& entry);
    std::string advice(const std::vector<std::string>& spilled) const;
    std::optional<Failure> put_http(const std::string& path, const std::string& url, const OutputFile& file,
                                    bool s3);
    Values values(const OutputFile& file, const std::string& sha256) const;

    Api& api_;
    const Settings& settings_;
    OutputSettings rules_;
    JobNames names_;
    std::function<bool()> cancelled_;
    Pause pause_;
    std::uint64_t inline_used_ = 0;
    std::set<std::string> targets_;       // of this job: two files of one name must not overwrite each other
    std::vector<std::string> delivered_;  // files of ComfyUI's that are to be removed
    int count_ = 0;
    std::optional<bool> reachable_;  // ComfyUI's own address, for everybody
    std::string local_links_;
    bool link_refused_ = false;
};

}  // namespace emprops::comfyui
