#pragma once
// Names that two processes agree on without talking: a connector that takes over a job finds the prompt that
// its dead predecessor sent.

#include <string>
#include <string_view>

namespace emprops::comfyui {

/// Who sends prompts: one worker's connector. All ids of prompts and the client id follow from it.
class PromptNames {
  public:
    /// `scope` separates workers that share a ComfyUI; see prompt_scope().
    explicit PromptNames(std::string scope);
    /// The id of a job's n-th submission (0: the first). The attempt of the job is no part of it: a resumed
    /// job must find the same id. `payload` is its digest: job ids are clients' text, and the same one with
    /// another payload is another job.
    std::string prompt(std::string_view job_id, std::string_view payload, int submission) const;
    /// The WebSocket's clientId. The same after a restart, so that a resumed prompt's events come to us.
    std::string client(int instance) const;
    const std::string& space() const { return space_; }

  private:
    std::string space_;
};

/// The scope of a worker: the Hub (job ids mean something there only), the worker's id, the connector's name,
/// the folder in which the work folders of its instances lie (a job may be resumed by another instance), and
/// a random value that is stored there once: two containers may have all the rest in common. Where it cannot
/// be stored, it is left out.
std::string prompt_scope(std::string_view hub, std::string_view worker_id, std::string_view connector,
                         std::string_view work_dir);

}  // namespace emprops::comfyui
