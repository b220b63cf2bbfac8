#include "connectors/comfyui/job/progress.h"

#include <algorithm>
#include <cmath>

#include "connectors/comfyui/text/outputs.h"

namespace emprops::comfyui {
namespace {

std::string count(double value) {
    const auto whole = static_cast<long long>(std::llround(std::clamp(value, -1e12, 1e12)));
    return std::to_string(whole);
}

}  // namespace

Progress::Progress(const std::vector<Node>& nodes, const TimeBook& times) {
    for (const Node& node : nodes) {
        nodes_.emplace(node.id, node);
        weights_.emplace(node.id, static_cast<double>(times.node(node.class_type).count()));
    }
    recount();
}

void Progress::on_event(const EventBody& event) {
    if (std::holds_alternative<Started>(event)) {
        running_ = true;
    } else if (const auto* cached = std::get_if<Cached>(&event)) {
        running_ = true;
        cached_.insert(cached->nodes.begin(), cached->nodes.end());
        recount();
    } else if (const auto* executing = std::get_if<Executing>(&event)) {
        running_ = true;
        // Without progress_state (servers before July 2025) the next node means that the last one is done.
        if (!current_.empty() && current_ != executing->node) {
            auto& parts = parts_[current_];
            if (parts.empty() ||
                (parts.size() == 1 && parts.count(current_) > 0 && parts[current_].max == 0)) {
                parts[current_].finished = true;
                changed(current_);
            }
        }
        current_ = executing->node;
        see(current_);
    } else if (const auto* step = std::get_if<NodeProgress>(&event)) {
        const std::string display = nodes_.count(step->node) > 0 ? step->node : current_;
        see(display);
        Part& part = parts_[display][step->node];
        part.value = step->value;
        part.max = step->max;
        part.fraction = step->max > 0 ? std::clamp(step->value / step->max, 0.0, 1.0) : 0;
        changed(display);
    } else if (const auto* state = std::get_if<ProgressState>(&event)) {
        running_ = true;
        std::set<std::string> displays;
        for (const NodeState& node : state->nodes) {
            see(node.display_id);
            displays.insert(node.display_id);
            Part& part = parts_[node.display_id][node.id];
            part.finished = node.finished;
            part.fraction = node.max > 0 ? std::clamp(node.value / node.max, 0.0, 1.0) : 0;
            part.value = node.value;
            part.max = node.max;
        }
        for (const std::string& display : displays) {
            changed(display);
        }
    } else if (const auto* executed = std::get_if<Executed>(&event)) {
        if (cached_.count(executed->node) == 0) {
            see(executed->node);
            parts_[executed->node][executed->node].finished = true;
            changed(executed->node);
        }
    } else if (std::holds_alternative<Succeeded>(event)) {
        percent_ = run_share;
    }
}

/// Counts the nodes anew: after what says which of them will run.
void Progress::recount() {
    total_ = 0;
    done_ = 0;
    shares_.clear();
    for (const auto& entry : nodes_) {
        const bool seen = parts_.count(entry.first) > 0;
        if (cached_.count(entry.first) == 0 &&
            (expected_.empty() || seen || expected_.count(entry.first) > 0)) {
            total_ += weight(entry.first);
        }
    }
    for (const auto& [id, parts] : parts_) {
        // A node that the graph as sent did not have counts too.
        if (nodes_.count(id) == 0 && cached_.count(id) == 0) total_ += weight(id);
        changed(id);
    }
}

void Progress::see(const std::string& display) {
    if (!parts_.try_emplace(display).second || cached_.count(display) > 0) return;
    const bool counted = nodes_.count(display) > 0 && (expected_.empty() || expected_.count(display) > 0);
    if (!counted) total_ += weight(display);
}

double Progress::weight(const std::string& display) const {
    const auto at = weights_.find(display);
    return at == weights_.end() ? static_cast<double>(TimeBook::guess({}).count()) : at->second;
}

void Progress::changed(const std::string& display) {
    if (cached_.count(display) > 0) return;
    const auto& parts = parts_[display];
    double sum = 0;
    for (const auto& entry : parts) {
        sum += entry.second.finished ? 1.0 : entry.second.fraction;
    }
    double& share = shares_[display];
    done_ -= share * weight(display);
    share = parts.empty() ? 0 : sum / static_cast<double>(parts.size());
    done_ += share * weight(display);
    if (total_ > 0) percent_ = std::max(percent_, run_share * std::min(1.0, done_ / total_));
}

void Progress::on_text(const NodeText& text) {
    // "2.0.0.1" is of an expansion of node "2".
    const std::string outer =
        outer_node(text.node, [this](const std::string& id) { return nodes_.count(id) > 0; });
    text_ = {nodes_.count(outer) > 0 ? outer : current_, text.text};
    current_ = text_.node;
}

bool Progress::on_position(int position, int length) {
    if (position == position_ && length == length_) return false;
    position_ = position;
    length_ = length;
    return !running_;
}

void Progress::expect_outputs(const std::vector<std::string>& outputs) {
    std::vector<std::string> open(outputs.begin(), outputs.end());
    expected_.clear();
    while (!open.empty()) {
        const std::string id = std::move(open.back());
        open.pop_back();
        const auto node = nodes_.find(id);
        if (node == nodes_.end() || !expected_.insert(id).second) continue;
        open.insert(open.end(), node->second.sources.begin(), node->second.sources.end());
    }
    recount();
}

void Progress::restart() {
    parts_.clear();
    cached_.clear();
    recount();
    current_.clear();
    text_ = {};
    running_ = false;
    position_ = -1;
}

std::string Progress::message() const {
    if (!running_) {
        if (position_ > 0) return "waiting in ComfyUI's queue, " + std::to_string(position_) + " ahead";
        return position_ == 0 ? "ComfyUI is running it (no steps heard over the WebSocket)"
                              : "sent to ComfyUI";
    }
    if (current_.empty()) return "running";
    const auto node = nodes_.find(current_);
    std::string text = "node " + current_;
    if (node != nodes_.end()) {
        text = node->second.title;
        if (node->second.title != node->second.class_type) text += " (" + node->second.class_type + ")";
    }
    const auto parts = parts_.find(current_);
    if (parts != parts_.end()) {
        for (const auto& entry : parts->second) {
            const Part& part = entry.second;
            if (!part.finished && part.max > 1) text += ", " + count(part.value) + "/" + count(part.max);
        }
    }
    if (text_.node == current_ && !text_.text.empty()) text += ": " + text_.text;
    return text;
}

Json Progress::details() const {
    Json out = Json::object();
    if (!running_ && position_ >= 0) {
        out["queue_position"] = position_;
        out["queue_length"] = length_;
    }
    if (running_ && !current_.empty()) {
        out["node"] = current_;
        const auto node = nodes_.find(current_);
        if (node != nodes_.end()) {
            out["class_type"] = node->second.class_type;
            out["title"] = node->second.title;
        }
    }
    if (!cached_.empty()) out["cached_nodes"] = cached_.size();
    return out;
}

}  // namespace emprops::comfyui
