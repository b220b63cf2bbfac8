#include "connectors/comfyui/run/scan.h"

#include <utility>

#include "connectors/comfyui/run/entry.h"

namespace emprops::comfyui {

Scan::Scan(OwnMark own, std::function<std::string(int)> name, TimePoint now)
    : own_(std::move(own)), name_(std::move(name)), at_(now) {}

Action Scan::next(TimePoint now) const {
    if (now < at_) return Wait{at_};
    switch (step_) {
        case Step::queue:
            return AskQueue{};
        case Step::history:
            return AskHistory{name_(submission_)};
        case Step::recent:
            break;
    }
    return AskRecent{};
}

Scan::Result Scan::on_queue(const Queue& queue) {
    const auto ids = possible_ids();
    auto found = find_queued(queue, [&](const QueueItem& item) -> std::optional<int> {
        if (const auto marked = submission_of(item.mark, own_)) return marked;
        for (std::size_t i = 0; i < ids.size(); ++i) {
            if (ids[i] == item.prompt_id) return static_cast<int>(i);
        }
        return {};
    });
    if (found) return std::move(*found);
    step_ = Step::history;
    submission_ = highest_submission;
    return {};
}

Scan::Result Scan::on_history(const HistoryAnswer& answer) {
    const auto* entry = std::get_if<Entry>(&answer);
    if (entry == nullptr) {
        if (--submission_ < 0) step_ = Step::recent;
        return {};
    }
    if (!is_success(entry->entry)) return Nothing{submission_};
    return OwnPrompt{submission_, name_(submission_), Where::finished, *entry};
}

Scan::Result Scan::on_recent(const Json& entries) const {
    auto found = find_recent(entries, own_, {});
    if (!found) return Nothing{};
    if (!is_success(found->entry.entry)) return Nothing{found->submission};
    return std::move(*found);
}

void Scan::cancel(TimePoint until, TimePoint now) {
    until_ = until;
    at_ = now;
}

std::vector<std::string> Scan::possible_ids() const {
    std::vector<std::string> ids;
    for (int i = 0; i <= highest_submission; ++i) {
        ids.push_back(name_(i));
    }
    return ids;
}

}  // namespace emprops::comfyui
