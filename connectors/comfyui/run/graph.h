#pragma once
// What a run wants to know about the job's graph: which nodes load models, and which ones an output needs. Pure.

#include <map>
#include <string>
#include <vector>

#include "connectors/comfyui/text/payload.h"

namespace emprops::comfyui {

class Graph {
  public:
    explicit Graph(const std::vector<Node>& nodes);

    bool loads_models(const std::string& node) const;
    /// Whether all that the outputs need came out of the cache; no outputs: the whole graph.
    bool all_cached(const std::vector<std::string>& cached, std::vector<std::string> outputs) const;
    /// The last nodes of the graph's branches that are not among `outputs`, in order.
    std::vector<std::string> ends_besides(const std::vector<std::string>& outputs) const;

  private:
    struct Facts {
        bool loads = false;
        std::vector<std::string> sources;
    };
    std::map<std::string, Facts> nodes_;
};

}  // namespace emprops::comfyui
