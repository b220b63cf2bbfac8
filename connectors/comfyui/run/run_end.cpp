// The end of a prompt: what its history entry says, and whether it is run once more.

#include "connectors/comfyui/run/run_parts.h"
#include "connectors/comfyui/text/tolerant_json.h"
#include "ipc/text/utf8.h"

namespace emprops::comfyui {

void Run::conclude(const Json& entry, TimePoint now) {
    const Json status = entry.value("status", Json());
    std::optional<NodeError> error;
    bool interrupted = false;
    std::optional<double> began, ended;
    if (status.is_object() && status.contains("messages") && status.at("messages").is_array()) {
        for (const Json& message : status.at("messages")) {
            if (!message.is_array() || message.size() < 2 || !message[0].is_string()) continue;
            const std::string type = message[0];
            if (message[1].is_object() && message[1].contains("timestamp") &&
                message[1].at("timestamp").is_number()) {
                const double at = message[1].at("timestamp");
                if (type == "execution_start") {
                    began = at;
                } else {
                    ended = at;
                }
            }
            auto event = read_event(type, message[1]);
            if (!event) continue;
            if (auto* failed = std::get_if<NodeError>(&event->body); failed != nullptr && !failed->blocked) {
                error = std::move(*failed);
            }
            if (const auto* cached = std::get_if<Cached>(&event->body)) outcome_.cached_nodes = cached->nodes;
            interrupted = interrupted || std::holds_alternative<Interrupted>(event->body);
        }
    }
    if (began && ended && *ended >= *began) {
        outcome_.timing.execute = Ms{static_cast<std::int64_t>(*ended - *began)};
    }
    Json outputs = entry.value("outputs", Json::object());
    // Trust an error message over status_str: a dynamic circle can leave the last prompt's word there.
    if (error) {
        outcome_.outputs = std::move(outputs);
        return node_failed(std::move(*error), now);
    }
    if (interrupted) {
        if (cancelled_) return finish(Outcome::Kind::cancelled);
        return fail(
            "comfyui.interrupted",
            "somebody stopped the prompt in ComfyUI (its stop button, or another program's interrupt)", true,
            "interrupted");
    }
    if (!is_success(entry)) {
        const std::string word = std::string(text::cut(status_of(entry), 100));
        outcome_.outputs = outputs.is_object() ? std::move(outputs) : Json::object();
        return fail("service_error",
                    word == "error" ? "ComfyUI reports that the prompt failed and gives no reason"
                    : word == "success"
                        ? "ComfyUI reports that the prompt was not completed, and gives no reason"
                        : "ComfyUI reports neither success nor an error, but \"" + word + "\"",
                    false, "node_error");
    }
    if (!outputs.is_object()) outputs = Json::object();
    if (output_nodes_.empty()) output_nodes_ = outputs_of(entry);
    if (outputs.empty() && !event_outputs_.empty()) outputs = Json(event_outputs_);
    conclude_success(std::move(outputs), now);
}

void Run::conclude_success(Json outputs, TimePoint now) {
    // All from the cache and nothing named: the pictures exist somewhere, and only a new run says where. (A
    // run that did something and names nothing has output nodes that show nothing.)
    if (outputs.empty() && !executing_seen_ && all_cached() && !rerun_ && phase_ == Phase::follow) {
        rerun_ = true;
        return again_with_free_memory("ComfyUI took everything from its cache and named no output; ran again",
                                      now);
    }
    outcome_.outputs = std::move(outputs);
    if (answer_lost_) note_lost_answer();
    if (not_finite_ > 0) {
        note(
            std::to_string(not_finite_) +
            " numbers of the outputs were NaN or infinite: JSON has no word for them, and they are left out");
    }
    if (too_deep_ > 0) {
        note(std::to_string(too_deep_) + " values of the outputs were nested too deep, and are left out");
    }
    outcome_.maybe_old = outcome_.maybe_old || !outcome_.cached_nodes.empty();
    finish(Outcome::Kind::succeeded);
}

void Run::take_entry(const Entry& entry) {
    not_finite_ = entry.not_finite;
    too_deep_ = entry.too_deep;
}

/// The answer to the POST names the outputs that ComfyUI refused. Without it, what it ran must tell.
void Run::note_lost_answer() {
    std::set<std::string> leaves;
    for (const auto& node : nodes_) {
        leaves.insert(node.first);
    }
    for (const auto& node : nodes_) {
        for (const std::string& source : node.second) {
            leaves.erase(source);
        }
    }
    for (const std::string& output : output_nodes_) {
        leaves.erase(output);
    }
    if (leaves.empty() && !output_nodes_.empty()) return;
    std::string text = "ComfyUI's answer to the workflow was lost: it may have refused some outputs";
    for (const std::string& leaf : leaves) {
        if (!output_nodes_.empty()) text += (leaf == *leaves.begin() ? "; not run: node " : ", ") + leaf;
    }
    note(std::move(text));
}

bool Run::all_cached() const {
    const std::set<std::string> cached(outcome_.cached_nodes.begin(), outcome_.cached_nodes.end());
    if (cached.empty()) return false;
    std::vector<std::string> open = output_nodes_;
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
        if (cached.count(id) == 0) return false;
        open.insert(open.end(), node->second.begin(), node->second.end());
    }
    return true;
}

void Run::lost(TimePoint now) {
    constexpr int most_deaths = 2;
    // The end was seen on the socket, and somebody cleared the history before we read it.
    if (error_seen_) return node_failed(*error_seen_, now);
    if (success_seen_ && !event_outputs_.empty() && event_bytes_ <= max_event_outputs) {
        note("the history entry was gone; outputs are those that the events named");
        return conclude_success(Json(event_outputs_), now);
    }
    // Nobody can take the running prompt out of the queue; with the process it goes. One that ends the
    // process at once may take the word of its begin with it: then it must have been the only one there.
    const bool died = was_gone_ && (begun() || (attached_ && others_ == 0));
    if (died) ++outcome_.deaths;
    const int deaths = rules_.deaths_before + outcome_.deaths;
    if (died && deaths >= most_deaths && !rules_.machine_is_sick) {
        fail("poison",
             "this workflow ended the ComfyUI process " + std::to_string(deaths) +
                 " times: it vanished with it while it was the one that ran. It is not sent again",
             false, "ended_comfyui");
        return;
    }
    if (resubmissions_ >= rules_.max_resubmissions || submission_ >= highest_submission ||
        deaths >= most_deaths) {
        fail("lost",
             "the prompt vanished from ComfyUI without a result" +
                 std::string(resubmissions_ > 0 ? ", again after it was sent once more" : "") +
                 (died ? "; ComfyUI ended while it ran"
                       : "; ComfyUI was restarted, or somebody cleared its queue or history") +
                 (died && rules_.machine_is_sick ? ", as it did with another job before" : ""),
             true, "lost");
        return;
    }
    ++resubmissions_;
    note(died ? "ComfyUI ended while the prompt ran; it was sent again"
              : "the prompt vanished from ComfyUI and was sent again");
    begin_lookup(submission_ + 1, now);
}

void Run::node_failed(NodeError error, TimePoint now) {
    if (is_out_of_memory(error) && !memory_freed_ && !cancelled_ && phase_ == Phase::follow) {
        memory_freed_ = true;
        return again_with_free_memory("out of memory; unloaded the models and ran again", now);
    }
    if (is_sticky_gpu_fault(error)) {
        asides_.push_back(RestartService{
            "a GPU fault that only a restart cures: " + std::string(text::cut(error.message, 200)),
            true,
            {}});
    }
    outcome_.node_error = std::move(error);
    finish(Outcome::Kind::node_failed);
}

void Run::again_with_free_memory(const std::string& why, TimePoint now) {
    note(why);
    begin_lookup(submission_ + 1, now);
    phase_ = Phase::free_memory;
}

bool Run::pictures_missing(const std::string& why, TimePoint now) {
    if (outcome_.kind != Outcome::Kind::succeeded || pictures_rerun_ || submission_ >= highest_submission)
        return false;
    pictures_rerun_ = true;
    outcome_.maybe_old = outcome_.earlier = outcome_.was_over = false;
    outcome_.outputs = Json::object();
    note(why);
    begin_lookup(submission_ + 1, now);
    return true;
}

bool Run::files_gone(TimePoint now) {
    // A run of this job that made everything anew has no reason to name files that are not there.
    if (outcome_.kind != Outcome::Kind::succeeded || rerun_ || !outcome_.maybe_old) return false;
    rerun_ = true;
    outcome_.maybe_old = outcome_.earlier = outcome_.was_over = false;
    again_with_free_memory("files that ComfyUI named were gone; ran again", now);
    return true;
}

}  // namespace emprops::comfyui
