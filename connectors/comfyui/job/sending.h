#pragma once
// What a job sends to ComfyUI: its inputs, once, and the graph with their names in it. On the job's thread,
// blocking.

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "connectors/comfyui/job/report.h"
#include "connectors/comfyui/job/scope.h"
#include "connectors/comfyui/run/actions.h"
#include "connectors/comfyui/text/mark.h"

namespace emprops::comfyui {

class Sending {
  public:
    /// All of them outlive it.
    Sending(const JobScope& scope, const OwnMark& mark, Report& report)
        : scope_(scope), mark_(mark), report_(report) {}

    /// Brings the inputs if that was not done. They are brought only when the prompt is really sent: a resumed job
    /// finds its prompt with them. Throws JobFailure.
    void provide();
    /// Values that ComfyUI has under another spelling are sent as it has them, with a note.
    PostAnswer post(const SendPrompt& send);
    /// Since the last call; for people.
    std::vector<std::string> take_notes() { return std::exchange(notes_, {}); }
    /// The inputs may be what ComfyUI does not have any more.
    void provide_again() { provided_ = false; }
    /// From now on the cache must not answer these nodes.
    void refresh(std::set<std::string> nodes) { refresh_ = std::move(nodes); }

  private:
    void check() const;
    std::vector<InputFile> fields() const;
    Json node_class(const std::string& name) const;
    ExtraData extra_data(int submission) const;
    PostAnswer post_once(const SendPrompt& send) const;
    bool respell(const PostAnswer& answer);

    const JobScope& scope_;
    const OwnMark& mark_;
    Report& report_;
    bool provided_ = false;
    std::string graph_;
    std::set<std::string> refresh_;
    std::vector<std::string> notes_;
};

}  // namespace emprops::comfyui
