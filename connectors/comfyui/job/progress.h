#pragma once
// One number for a prompt's progress, and a sentence for people. Pure; one object per job.

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "connectors/comfyui/job/times.h"
#include "connectors/comfyui/text/events.h"
#include "connectors/comfyui/text/payload.h"

namespace emprops::comfyui {

/// Percent of a job that its run makes; the rest is for fetching and delivering the files.
constexpr double run_share = 95;

/// Finished nodes plus the fractions of the running ones, over the nodes that will really run: those of the
/// graph that are not cached (and, once expansions are seen, their display nodes). Each counts for as much as nodes of
/// its class took before. Never goes backwards.
class Progress {
  public:
    explicit Progress(const std::vector<Node>& nodes, const TimeBook& times = TimeBook());

    /// Takes an event of this job's prompt. Costs little, however large the graph is.
    void on_event(const EventBody& event);
    /// A node says how it goes; it is the one that is told of.
    void on_text(const NodeText& text);
    /// Place in ComfyUI's queue: 0 = running, 1 = next. True if it changed.
    bool on_position(int position, int length);
    /// The queue names the output nodes that ComfyUI accepted: only they and what they need will run.
    void expect_outputs(const std::vector<std::string>& outputs);
    /// A new submission starts from the beginning; the number stays where it was.
    void restart();

    /// 0..100. 100 is left to the end of the delivery: a run tops out at 95.
    double percent() const { return percent_; }
    /// "KSampler (Sampling the face), 12/20", "Gemini: queued, 5 s" or "waiting in ComfyUI's queue, 2 ahead".
    std::string message() const;
    Json details() const;
    const std::set<std::string>& cached() const { return cached_; }
    bool running() const { return running_; }

  private:
    void recount();
    void see(const std::string& display);
    void changed(const std::string& display);
    double weight(const std::string& display) const;

    struct Part {
        double fraction = 0;
        bool finished = false;
        double value = 0, max = 0;
    };
    std::map<std::string, Node> nodes_;
    std::map<std::string, double> weights_;  // ms, by node
    std::set<std::string> expected_;         // nodes that will run; empty: all
    std::set<std::string> cached_;
    std::map<std::string, std::map<std::string, Part>> parts_;  // display node -> node or expansion -> part
    std::map<std::string, double> shares_;                      // display node -> how much of it is done
    double total_ = 0;                                          // weights of the nodes that count
    double done_ = 0;                                           // sum of shares_, weighted
    std::string current_;
    NodeText text_;  // the last one; its node is a display node
    double percent_ = 0;
    int position_ = -1;
    int length_ = 0;
    bool running_ = false;
};

}  // namespace emprops::comfyui
