#pragma once
// What comes of a prompt that is over: a result, a failure, or one more try, where a cure is known that was not
// tried yet. Also the blame: a prompt that vanishes while it runs, as ComfyUI ends, took ComfyUI with it for all
// we know. Pure; part of a Run, whose outcome it fills.

#include <optional>
#include <string>
#include <variant>

#include "connectors/comfyui/run/actions.h"
#include "connectors/comfyui/run/graph.h"
#include "connectors/comfyui/run/rules.h"
#include "connectors/comfyui/run/submission.h"

namespace emprops::comfyui {

class Judge {
  public:
    /// The job's run is over with this; `restart`: and ComfyUI with it.
    struct End {
        Outcome::Kind kind = Outcome::Kind::failed;
        std::optional<RestartService> restart = std::nullopt;
    };
    /// The graph is sent once more, after ComfyUI's memory and cache were cleared where `free_memory` is set.
    struct Again {
        bool free_memory = false;
    };
    using Verdict = std::variant<End, Again>;

    /// All of them outlive it.
    Judge(const RunRules& rules, const Graph& graph, Outcome& outcome)
        : rules_(rules), graph_(graph), outcome_(outcome) {}
    Judge(const Judge&) = delete;
    Judge& operator=(const Judge&) = delete;

    /// The history has the end. `cancelled`: the job was; `withdrawn`: the prompt is being taken back.
    Verdict ended(Submission& submission, const Entry& entry, bool cancelled, bool withdrawn);
    /// ComfyUI does not know the prompt any more.
    Verdict vanished(Submission& submission, bool cancelled);

    /// After a success: files that the history names are gone (a cached run names old files).
    std::optional<Again> files_gone();
    /// files_gone() would run it again.
    bool may_make_files_again() const;
    /// After a success: pictures that travel over the WebSocket did not all come.
    std::optional<Again> pictures_missing(const Submission& submission, const std::string& why);

    /// How often a vanished prompt was sent again.
    int resubmissions() const { return resubmissions_; }

  private:
    Verdict unreadable(Submission& submission, const std::string& answer, bool may_run_again);
    Verdict succeeded(Submission& submission, Json outputs, bool withdrawn);
    Verdict node_failed(const NodeError& error, bool may_run_again);
    Verdict failed(Failure failure);
    Verdict lost(const Submission& submission);

    const RunRules& rules_;
    const Graph& graph_;
    Outcome& outcome_;
    // What was tried already; each cure is tried once.
    int resubmissions_ = 0;
    bool memory_freed_ = false, made_anew_ = false, ran_for_pictures_ = false;
};

}  // namespace emprops::comfyui
