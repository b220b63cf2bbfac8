#include "connectors/comfyui/job/times.h"

#include <algorithm>

namespace emprops::comfyui {
namespace {

// Of a class that was never seen. What samples takes most of nearly every graph.
constexpr Ms usual_guess{1'000}, sampler_guess{10'000};
constexpr Ms shortest{10};  // what comes at once counts too

Ms whole(double ms) {
    return Ms{static_cast<std::int64_t>(ms)};
}

}  // namespace

void Means::learn(const std::string& name, double value, double newest) {
    const auto [at, fresh] = entries_.try_emplace(name);
    at->second.mean = fresh ? value : at->second.mean * (1 - newest) + value * newest;
    at->second.used = ++clock_;
    if (entries_.size() > most_) {
        entries_.erase(std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
            return a.second.used < b.second.used;
        }));
    }
}

std::optional<double> Means::of(const std::string& name) const {
    const auto at = entries_.find(name);
    if (at == entries_.end()) return {};
    return at->second.mean;
}

void TimeBook::learn_run(const std::string& shape, Ms took, double share) {
    if (share < 0.2) return;  // too little ran to say anything about a whole run
    const std::lock_guard lock(mutex_);
    runs_.learn(shape, static_cast<double>(took.count()) / share, 0.3);
}

std::optional<Ms> TimeBook::run(const std::string& shape) const {
    const std::lock_guard lock(mutex_);
    const auto mean = runs_.of(shape);
    return mean ? std::optional(whole(*mean)) : std::nullopt;
}

std::optional<Ms> TimeBook::left(const std::string& shape, Ms elapsed, double percent, double all) const {
    const auto known = run(shape);
    if (!known) return {};
    if (elapsed < *known) return *known - elapsed;
    // Past the learned time, what is done already says how much is left.
    if (percent <= 1) return {};
    return whole(static_cast<double>(elapsed.count()) * std::max(0.0, all - percent) / percent);
}

void TimeBook::learn_node(const std::string& class_type, Ms took) {
    const std::lock_guard lock(mutex_);
    nodes_.learn(class_type, static_cast<double>(std::max(took, shortest).count()), 0.5);
}

Ms TimeBook::node(const std::string& class_type) const {
    const std::lock_guard lock(mutex_);
    const auto mean = nodes_.of(class_type);
    return mean ? whole(*mean) : guess(class_type);
}

Ms TimeBook::guess(const std::string& class_type) {
    return class_type.find("Sampler") == std::string::npos ? usual_guess : sampler_guess;
}

void NodeClock::on_event(const EventBody& event, TimePoint now) {
    if (const auto* executing = std::get_if<Executing>(&event)) {
        if (current_ != executing->node) end(current_, now);  // ends later where others run beside it
        current_ = executing->node;
        begin(current_, now);
    } else if (const auto* state = std::get_if<ProgressState>(&event)) {
        for (const NodeState& node : state->nodes) {
            if (!node.finished) {
                begin(node.display_id, now);
                running_.insert(node.id);
            } else if (running_.erase(node.id) > 0) {
                end(node.display_id, now);
            }
        }
    } else if (std::holds_alternative<Succeeded>(event) || std::holds_alternative<Ended>(event)) {
        end(current_, now);
        current_.clear();
    }
}

void NodeClock::end(const std::string& node, TimePoint now) {
    const auto span = spans_.find(node);
    if (span != spans_.end()) span->second.ended = std::max(span->second.ended, now);
}

void NodeClock::restart() {
    spans_.clear();
    running_.clear();
    current_.clear();
}

void NodeClock::teach(TimeBook& book, const std::vector<Node>& nodes) const {
    for (const Node& node : nodes) {
        const auto span = spans_.find(node.id);
        if (span == spans_.end() || span->second.ended == span->second.began) continue;
        book.learn_node(node.class_type, since(span->second.began, span->second.ended));
    }
}

}  // namespace emprops::comfyui
