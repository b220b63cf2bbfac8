#include "connectors/comfyui/run/look.h"

#include "connectors/comfyui/run/entry.h"

namespace emprops::comfyui {
namespace {

constexpr int looks_before_unreadable = 3;

}  // namespace

Action Look::next(const std::string& prompt_id, TimePoint now) const {
    switch (step_) {
        case Step::history:
            if (now < at_) return Wait{at_};
            break;
        case Step::queue_first:
            if (now < at_) return Wait{at_};
            return AskQueue{};
        case Step::queue:
            return AskQueue{};
        case Step::history_again:
            break;
        case Step::recent:
            return AskRecent{};
    }
    return AskHistory{prompt_id};
}

std::optional<Found> Look::on_history(const HistoryAnswer& answer) {
    const auto* error = std::get_if<Unreadable>(&answer);
    if (error == nullptr) unreadable_ = 0;
    if (const auto* entry = std::get_if<Entry>(&answer)) {
        step_ = Step::history;
        return Found{Where::finished, *entry};
    }
    if (step_ == Step::history) {
        step_ = Step::queue;
        return {};
    }
    step_ = Step::history;
    if (error == nullptr) return Found{Where::absent, {}};
    // It works, since it gave its queue: what it cannot give is this entry. A proxy's hiccup looks so once.
    if (++unreadable_ < looks_before_unreadable) return Found{Where::unclear, {}};
    Entry entry{{{"status", {{"status_str", "error"}, {"completed", false}}}}};
    entry.unreadable = error->what;
    return Found{Where::finished, std::move(entry)};
}

std::optional<Found> Look::on_queue(const Queue& queue, const std::string& prompt_id) {
    step_ = Step::history;
    if (find_prompt(queue.running, prompt_id) != nullptr) return Found{Where::running, {}};
    if (find_prompt(queue.pending, prompt_id) != nullptr) return Found{Where::pending, {}};
    step_ = Step::history_again;
    return {};
}

std::optional<OwnPrompt> find_recent(const Json& entries, const OwnMark& own, std::optional<int> only) {
    std::optional<OwnPrompt> best;
    if (!entries.is_object()) return best;
    for (const auto& [id, entry] : entries.items()) {
        if (!entry.is_object()) continue;
        const auto number = submission_of(mark_of(entry), own);
        if (!number || *number > highest_submission || (only && *number != *only)) continue;
        if (!best || *number > best->submission)
            best = OwnPrompt{*number, id, Where::finished, Entry{entry, 0, 0}};
    }
    return best;
}

}  // namespace emprops::comfyui
