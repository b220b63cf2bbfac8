#include "connectors/comfyui/run/graph.h"

#include <set>
#include <utility>

namespace emprops::comfyui {

Graph::Graph(const std::vector<Node>& nodes) {
    for (const Node& node : nodes) {
        nodes_[node.id] = {node.class_type.find("Load") != std::string::npos, node.sources};
    }
}

bool Graph::loads_models(const std::string& node) const {
    const auto at = nodes_.find(node);
    return at != nodes_.end() && at->second.loads;
}

bool Graph::all_cached(const std::vector<std::string>& cached, std::vector<std::string> outputs) const {
    if (cached.empty()) return false;
    const std::set<std::string> known(cached.begin(), cached.end());
    std::vector<std::string> open = std::move(outputs);
    if (open.empty()) {
        for (const auto& node : nodes_) {
            open.push_back(node.first);
        }
    }
    std::set<std::string> seen;
    while (!open.empty()) {
        const std::string id = std::move(open.back());
        open.pop_back();
        const auto node = nodes_.find(id);
        if (node == nodes_.end() || !seen.insert(id).second) continue;
        if (known.count(id) == 0) return false;
        open.insert(open.end(), node->second.sources.begin(), node->second.sources.end());
    }
    return true;
}

std::vector<std::string> Graph::ends_besides(const std::vector<std::string>& outputs) const {
    std::set<std::string> ends;
    for (const auto& node : nodes_) {
        ends.insert(node.first);
    }
    for (const auto& node : nodes_) {
        for (const std::string& source : node.second.sources) {
            ends.erase(source);
        }
    }
    for (const std::string& output : outputs) {
        ends.erase(output);
    }
    return {ends.begin(), ends.end()};
}

}  // namespace emprops::comfyui
