#include "connectors/comfyui/run/told.h"

#include <algorithm>
#include <utility>

#include "ipc/overload.h"

namespace emprops::comfyui {
namespace {

constexpr Ms settle_limit{60'000};
constexpr Ms shortest_delay{100};

void merge(Json& into, const Json& from) {
    if (!into.is_object()) into = Json::object();
    for (const auto& [key, value] : from.items()) {
        if (into.contains(key) && into[key].is_array() && value.is_array()) {
            into[key].insert(into[key].end(), value.begin(), value.end());
        } else {
            into[key] = value;
        }
    }
}

}  // namespace

void Settling::begin(Ms first, TimePoint now) {
    if (!on(now)) since_ = now;
    delay_ = first;
}

bool Settling::on(TimePoint now) const {
    return since_ && since(*since_, now) < settle_limit;
}

Ms Settling::next_delay(Ms longest) {
    return std::exchange(delay_, std::min(std::max(delay_ * 2, shortest_delay), longest));
}

bool Told::on_event(const Event& event, const Graph& graph, TimePoint now) {
    if (!started_at_) started_at_ = now;
    const auto over = [&](Ms first_look) {
        settling_.begin(first_look, now);
        return true;
    };
    return std::visit(
        Overload{[](const Started&) { return false; },
                 [&](const Cached& cached) {
                     cached_nodes_ = cached.nodes;
                     return false;
                 },
                 [&](const Executing& executing) {
                     executing_seen_ = true;
                     if (loading_since_)
                         load_time_ = load_time_.value_or(Ms{0}) + since(*loading_since_, now);
                     loading_since_.reset();
                     if (graph.loads_models(executing.node)) loading_since_ = now;
                     return false;
                 },
                 [](const NodeProgress&) { return false; }, [](const ProgressState&) { return false; },
                 [&](const Executed& executed) {
                     bytes_ += event.bytes;
                     if (executed.output.is_object() && bytes_ <= max_outputs)
                         merge(outputs_[executed.node], executed.output);
                     return false;
                 },
                 [&](const Succeeded&) {
                     success_seen_ = true;
                     return over(shortest_delay);
                 },
                 [&](const Interrupted&) { return over(shortest_delay); },
                 [&](const NodeError& error) {
                     if (error.blocked) return false;  // the prompt goes on (connectors/comfyui/API.md 6.5)
                     error_ = error;
                     return over(shortest_delay);
                 },
                 [&](const Ended&) { return over(Ms{0}); }},
        event.body);
}

}  // namespace emprops::comfyui
