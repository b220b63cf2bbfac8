#include "connectors/comfyui/job/pictures.h"

#include <algorithm>
#include <cmath>

#include "connectors/comfyui/text/outputs.h"
#include "connectors/comfyui/text/tolerant_json.h"
#include "ipc/overload.h"
#include "ipc/text/utf8.h"
#include "ipc/text/values.h"

namespace emprops::comfyui {
namespace {

constexpr long long max_steps = 1'000'000;

int count_announced(const Json& ui) {
    int count = 0;
    if (!ui.is_object()) return 0;
    for (const auto& [kind, value] : ui.items()) {
        if (!value.is_array()) continue;
        for (const Json& element : value) {
            const bool here = element.is_object() && element.value("source", Json()) == Json("websocket");
            count += here ? 1 : 0;
        }
    }
    return count;
}

}  // namespace

std::string missing_text(const std::vector<MissingPictures>& missing) {
    constexpr std::size_t shown = 5;
    std::string text;
    for (std::size_t i = 0; i < std::min(missing.size(), shown); ++i) {
        const MissingPictures& one = missing[i];
        text += (i > 0 ? "; " : "") + std::to_string(one.arrived) + " of " +
                (one.expected ? std::to_string(*one.expected) : std::string("an unknown number of")) +
                " pictures of node " + std::string(text::cut(one.node, 100)) + " (" +
                std::string(text::cut(one.class_type, 100)) + ")";
    }
    if (missing.size() > shown) text += "; and of " + std::to_string(missing.size() - shown) + " more nodes";
    return text;
}

std::map<std::string, int> announced_pictures(const Json& outputs, const std::vector<Node>& nodes) {
    std::map<std::string, int> out;
    if (!outputs.is_object()) return out;
    std::set<std::string> ids;
    for (const auto& [id, ui] : outputs.items()) {
        const int count = count_announced(ui);
        if (count == 0) continue;
        if (ids.empty()) {
            for (const Node& node : nodes) {
                ids.insert(node.id);
            }
        }
        out[outer_node(id, [&](const std::string& node) { return ids.count(node) > 0; })] += count;
    }
    return out;
}

SocketPictures::SocketPictures(const std::vector<Node>& nodes, const std::vector<std::string>& classes,
                               std::size_t max_bytes)
    : nodes_(nodes), classes_(classes.begin(), classes.end()), max_bytes_(max_bytes) {
    for (const Node& node : nodes_) {
        by_id_[node.id] = &node;
    }
}

std::string SocketPictures::graph_node(const std::string& id) const {
    return outer_node(id, [this](const std::string& node) { return by_id_.count(node) > 0; });
}

bool SocketPictures::is_known(const std::string& node) const {
    const auto at = by_id_.find(node);
    return at != by_id_.end() && classes_.count(at->second->class_type) > 0;
}

bool SocketPictures::is_wanted(const std::string& node) const {
    if (is_known(node)) return true;
    const auto seen = seen_.find(node);
    return seen != seen_.end() && seen->second.announced;
}

const Node* SocketPictures::known() const {
    const auto at = std::find_if(nodes_.begin(), nodes_.end(),
                                 [this](const Node& node) { return classes_.count(node.class_type) > 0; });
    return at == nodes_.end() ? nullptr : &*at;
}

void SocketPictures::restart() {
    seen_.clear();
    pictures_.clear();
    bytes_ = 0;
    dropped_ = 0;
    running_.clear();
    heard_start_ = gap_ = over_ = states_ = false;
}

void SocketPictures::on_socket(bool up) {
    if (up) return;
    gap_ = true;
    for (auto& [id, seen] : seen_) {
        seen.broken = seen.broken || seen.open;
    }
}

void SocketPictures::begin(const std::string& node) {
    Seen& seen = seen_[node];
    seen.began = seen.open = true;
}

void SocketPictures::close(const std::string& node) {
    const auto seen = seen_.find(node);
    if (seen != seen_.end()) seen->second.open = false;
    if (!is_wanted(node)) forget(node);
}

/// Pictures of a node that is done and announced none were previews.
void SocketPictures::forget(const std::string& node) {
    const auto from = std::stable_partition(pictures_.begin(), pictures_.end(),
                                            [&](const SocketPicture& each) { return each.node != node; });
    for (auto at = from; at != pictures_.end(); ++at) {
        bytes_ -= at->bytes.size();
    }
    pictures_.erase(from, pictures_.end());
}

void SocketPictures::on_event(const EventBody& event) {
    const auto all_closed = [this] {
        for (auto& [id, seen] : seen_) {
            seen.open = false;
        }
        running_.clear();
    };
    std::visit(Overload{[&](const Started&) { heard_start_ = true; }, [&](const Cached&) {},
                        [&](const Executing& executing) {
                            // Without progress_state (servers before July 2025) one node runs at a time.
                            if (!states_ && !running_.empty()) close(running_);
                            running_ = graph_node(executing.node);
                            begin(running_);
                        },
                        [&](const NodeProgress& step) {
                            Seen& seen = seen_[graph_node(step.node)];
                            const bool again =
                                !seen.stepped || step.value <= seen.last_step || step.max != seen.last_max;
                            if (again && step.max > 0)
                                seen.steps =
                                    std::min(max_steps, seen.steps + std::llround(std::min(step.max, 1e6)));
                            seen.stepped = true;
                            seen.last_step = step.value;
                            seen.last_max = step.max;
                        },
                        [&](const ProgressState& state) {
                            states_ = true;
                            for (const NodeState& node : state.nodes) {
                                if (node.finished) close(graph_node(node.display_id));
                            }
                        },
                        [&](const Executed& executed) {
                            const std::string node = graph_node(executed.node);
                            if (count_announced(executed.output) > 0) seen_[node].announced = true;
                            close(node);
                        },
                        [&](const Interrupted&) { all_closed(); },
                        [&](const NodeError& error) {
                            if (!error.blocked) all_closed();
                        },
                        [&](const Succeeded&) {
                            over_ = true;
                            all_closed();
                        },
                        [&](const Ended&) {
                            over_ = true;
                            all_closed();
                        }},
               event);
}

bool SocketPictures::on_picture(std::string node, std::string mime_type, std::string bytes) {
    node = node.empty() ? running_ : graph_node(node);
    if (node.empty()) return false;
    while (bytes_ + bytes.size() > max_bytes_) {
        const auto preview = std::find_if(pictures_.begin(), pictures_.end(),
                                          [this](const auto& each) { return !is_wanted(each.node); });
        if (preview == pictures_.end()) {
            ++dropped_;
            return true;
        }
        bytes_ -= preview->bytes.size();
        pictures_.erase(preview);
    }
    bytes_ += bytes.size();
    pictures_.push_back({std::move(node), std::move(mime_type), std::move(bytes)});
    return is_wanted(pictures_.back().node);
}

std::vector<MissingPictures> SocketPictures::missing(const Json& outputs, const std::vector<std::string>& ran,
                                                     const std::vector<std::string>& cached) const {
    const auto has = [](const std::vector<std::string>& list, const std::string& id) {
        return text::has_item(list, id);
    };
    std::vector<MissingPictures> out;
    const auto announced = announced_pictures(outputs, nodes_);
    const auto look = [&](const std::string& id, const std::string& class_type) {
        MissingPictures one{id, class_type, {}, 0};
        one.arrived = static_cast<int>(std::count_if(pictures_.begin(), pictures_.end(),
                                                     [&](const auto& each) { return each.node == id; }));
        const auto seen = seen_.find(id);
        const bool began = seen != seen_.end() && seen->second.began;
        const bool whole = began && !seen->second.broken && !seen->second.open;
        const auto said = announced.find(id);
        if (said != announced.end()) {
            one.expected = said->second;
        } else if (whole) {
            // No step of its own: it was not reached (a blocked branch), or had nothing to send.
            one.expected = static_cast<int>(seen->second.steps);
        } else if (!began && heard_start_ && !gap_ && over_ && !has(cached, id)) {
            return;  // every word of the prompt was heard, and this node had no part in it
        }
        if (!whole || !one.expected || one.arrived < *one.expected) out.push_back(std::move(one));
    };
    for (const auto& [id, count] : announced) {
        const auto node = by_id_.find(id);
        look(id, node == by_id_.end() ? "?" : node->second->class_type);
    }
    for (const Node& node : nodes_) {
        const bool there = classes_.count(node.class_type) > 0 && (ran.empty() || has(ran, node.id));
        if (there && announced.count(node.id) == 0) look(node.id, node.class_type);
    }
    return out;
}

std::vector<SocketPicture> SocketPictures::take(const Json& outputs) {
    auto announced = announced_pictures(outputs, nodes_);
    std::vector<SocketPicture> out;
    // Where a node sent more than it announced, the first ones were previews.
    for (auto at = pictures_.rbegin(); at != pictures_.rend(); ++at) {
        const auto said = announced.find(at->node);
        const bool wanted = said != announced.end() ? said->second-- > 0 : is_known(at->node);
        if (wanted) out.push_back(std::move(*at));
    }
    std::reverse(out.begin(), out.end());
    pictures_.clear();
    bytes_ = 0;
    return out;
}

}  // namespace emprops::comfyui
