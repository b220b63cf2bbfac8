#pragma once
// One number for a prompt's progress, a sentence for people, and an estimate of the time left. Pure; one
// object per job (Progress) or per connector (EtaBook, guarded by its own mutex).

#include <chrono>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "connectors/comfyui/text/events.h"
#include "connectors/comfyui/text/payload.h"

namespace emprops::comfyui {

/// Finished nodes plus the fractions of the running ones, over the nodes that will really run: those of the
/// graph that are not cached (and, once expansions are seen, their display nodes). Never goes backwards.
class Progress {
  public:
    explicit Progress(const std::vector<Node>& nodes);

    /// Takes an event of this job's prompt. Costs little, however large the graph is.
    void on_event(const EventBody& event);
    /// Place in ComfyUI's queue: 0 = running, 1 = next. True if it changed.
    bool on_position(int position, int length);
    /// The queue names the output nodes that ComfyUI accepted: only they and what they need will run.
    void expect_outputs(const std::vector<std::string>& outputs);
    /// A new submission starts from the beginning; the number stays where it was.
    void restart();

    /// 0..100. 100 is left to the end of the delivery: a run tops out at 95.
    double percent() const { return percent_; }
    /// "KSampler (Sampling the face), 12/20" or "waiting in ComfyUI's queue, 2 ahead".
    std::string message() const;
    Json details() const;
    const std::set<std::string>& cached() const { return cached_; }
    bool running() const { return running_; }

  private:
    void recount();
    void see(const std::string& display);
    void changed(const std::string& display);

    struct Part {
        double fraction = 0;
        bool finished = false;
        double value = 0, max = 0;
    };
    std::map<std::string, Node> nodes_;
    std::set<std::string> expected_;  // nodes that will run; empty: all
    std::set<std::string> cached_;
    std::map<std::string, std::map<std::string, Part>> parts_;  // display node -> node or expansion -> part
    std::map<std::string, double> shares_;                      // display node -> how much of it is done
    std::size_t total_ = 0;                                     // nodes that count
    double done_ = 0;                                           // sum of shares_
    std::string current_;
    double percent_ = 0;
    int position_ = -1;
    int length_ = 0;
    bool running_ = false;
};

/// How long graphs of a shape took to run, learned from earlier jobs. Thread-safe.
class EtaBook {
  public:
    /// `share` = part of the nodes that ran (1 = nothing was cached): a half-cached run teaches half as much.
    void learn(const std::string& shape, std::chrono::milliseconds took, double share);
    /// Time left after `elapsed` of a run of this shape; nullopt when unknown.
    std::optional<std::chrono::milliseconds> left(const std::string& shape, std::chrono::milliseconds elapsed,
                                                  double percent) const;

  private:
    struct Entry {
        double mean_ms = 0;
        std::uint64_t used = 0;
    };
    mutable std::mutex mutex_;
    std::map<std::string, Entry> entries_;  // bounded; the least lately learned goes first
    std::uint64_t clock_ = 0;
};

}  // namespace emprops::comfyui
