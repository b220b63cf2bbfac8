#pragma once
// What has become of a job's run. Plain values.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connectors/comfyui/run/time.h"
#include "connectors/comfyui/text/errors.h"

namespace emprops::comfyui {

struct Timing {
    std::optional<Ms> queued, load, execute;
    std::optional<std::int64_t> ended_at_ms;  ///< since 1970, by ComfyUI's clock
};

/// What is known of a result's files beside their names.
struct Origin {
    bool maybe_old = false;  ///< files may be gone (an earlier process or assignment, the cache)
    bool earlier = false;    ///< made by an earlier assignment
    bool was_over = false;   ///< the prompt had ended before it was looked at
};

struct Outcome {
    enum class Kind { succeeded, refused, node_failed, failed, cancelled };
    Kind kind = Kind::failed;
    std::string prompt_id;
    Json outputs = Json::object();  ///< of succeeded; also what was saved before a node failed
    Json refusal;                   ///< of refused: the 400 body, or {"node_errors"} of a 200
    NodeError node_error;           ///< of node_failed
    Failure failure;                ///< of failed
    std::vector<std::string> cached_nodes;
    std::vector<std::string> notes;  ///< for people: blocked branches, resubmissions
    Timing timing;
    bool abandoned = false;             ///< the prompt may still be in ComfyUI: somebody must see it off
    std::vector<std::string> unwanted;  ///< of abandoned: its possible ids
    bool doubtful = false;              ///< of abandoned: ComfyUI did not show it yet, and may do so later
    Origin origin;                      ///< of succeeded
    int deaths = 0;  ///< ComfyUI ended so many times while this job's prompt was the one that ran

    /// For people, and never without end, since what comes from outside may repeat itself.
    void note(std::string text) {
        constexpr std::size_t most = 50;
        if (notes.size() < most) notes.push_back(std::move(text));
    }
};

}  // namespace emprops::comfyui
