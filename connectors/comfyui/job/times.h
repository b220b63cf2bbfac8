#pragma once
// How long things took before, learned while this process lives: nodes by their class, whole graphs by their shape.
// Pure but for its mutex; one object per connector, for all its jobs.

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "connectors/comfyui/run/time.h"
#include "connectors/comfyui/text/events.h"
#include "connectors/comfyui/text/payload.h"

namespace emprops::comfyui {

/// Means by name, of the last few times above all; bounded, the least lately learned goes first. Not thread-safe.
class Means {
  public:
    explicit Means(std::size_t most) : most_(most) {}
    /// `newest`: how much this time counts against those before, 0 to 1.
    void learn(const std::string& name, double value, double newest);
    std::optional<double> of(const std::string& name) const;

  private:
    struct Entry {
        double mean = 0;
        std::uint64_t used = 0;
    };
    std::size_t most_;
    std::map<std::string, Entry> entries_;
    std::uint64_t clock_ = 0;
};

class TimeBook {
  public:
    /// `share` = part of the nodes that ran (1 = nothing was cached): a half-cached run teaches half as much.
    void learn_run(const std::string& shape, Ms took, double share);
    /// How long a run of this shape takes; nullopt when unknown.
    std::optional<Ms> run(const std::string& shape) const;
    /// Time left after `elapsed` of such a run, of which `percent` of `whole` are done; nullopt when unknown.
    std::optional<Ms> left(const std::string& shape, Ms elapsed, double percent, double whole) const;

    void learn_node(const std::string& class_type, Ms took);
    /// How long a node of this class takes; a guess where none was seen yet.
    Ms node(const std::string& class_type) const;
    static Ms guess(const std::string& class_type);

  private:
    mutable std::mutex mutex_;
    Means runs_{64};
    Means nodes_{2000};
};

/// When the nodes of one run began and ended, as its events tell. Pure; one object per job.
class NodeClock {
  public:
    void on_event(const EventBody& event, TimePoint now);
    /// Another submission.
    void restart();
    /// After a run that ended well.
    void teach(TimeBook& book, const std::vector<Node>& nodes) const;

  private:
    struct Span {
        TimePoint began, ended;
    };
    void begin(const std::string& node, TimePoint now) { spans_.try_emplace(node, Span{now, now}); }
    void end(const std::string& node, TimePoint now);

    std::map<std::string, Span> spans_;  // by display node
    std::set<std::string> running_;      // as progress_state says
    std::string current_;
};

}  // namespace emprops::comfyui
