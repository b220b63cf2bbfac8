#pragma once
// What the WebSocket's events have told about one prompt. They are hints (connectors/comfyui/API.md 6.8): the
// end is read from the history. Pure.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "connectors/comfyui/run/graph.h"
#include "connectors/comfyui/run/time.h"
#include "connectors/comfyui/text/events.h"

namespace emprops::comfyui {

/// The time between the word that a prompt is over and its entry in the history: looks come soon at first,
/// then further and further apart. It has a minute; then its end is no longer believed.
class Settling {
  public:
    void begin(Ms first, TimePoint now);
    bool on(TimePoint now) const;
    /// Until the next look; at most `longest` from the second one on.
    Ms next_delay(Ms longest);

  private:
    std::optional<TimePoint> since_;
    Ms delay_{0};
};

class Told {
  public:
    /// An event of this prompt; never one of another. True: it says that the prompt is over.
    bool on_event(const Event& event, const Graph& graph, TimePoint now);

    const std::optional<TimePoint>& started_at() const { return started_at_; }
    /// It did something: not all of it came out of the cache.
    bool executing_seen() const { return executing_seen_; }
    const std::vector<std::string>& cached_nodes() const { return cached_nodes_; }
    /// How long nodes that load models ran; nullopt: none did.
    const std::optional<Ms>& load_time() const { return load_time_; }
    const std::optional<NodeError>& error() const { return error_; }
    /// The outputs that the events named, by node; null: none.
    Json outputs() const { return outputs_.empty() ? Json() : Json(outputs_); }
    /// It ended well, and outputs() are all that there are.
    bool is_whole() const { return success_seen_ && !outputs_.empty() && bytes_ <= max_outputs; }
    Settling& settling() { return settling_; }
    const Settling& settling() const { return settling_; }

  private:
    static constexpr std::size_t max_outputs = std::size_t{32} << 20;  // the history has them too

    std::optional<TimePoint> started_at_, loading_since_;
    std::optional<Ms> load_time_;
    bool executing_seen_ = false, success_seen_ = false;
    std::vector<std::string> cached_nodes_;
    std::map<std::string, Json> outputs_;
    std::size_t bytes_ = 0;
    std::optional<NodeError> error_;
    Settling settling_;
};

}  // namespace emprops::comfyui
