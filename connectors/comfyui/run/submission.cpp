#include "connectors/comfyui/run/submission.h"

#include "connectors/comfyui/run/look.h"

namespace emprops::comfyui {

void Submission::on_queue(const Queue& queue, const OwnMark& own, bool later_too, TimePoint now) {
    if (!has_prompt(queue, prompt_id)) {
        const auto found = find_queued(queue, [&](const QueueItem& item) -> std::optional<int> {
            const auto its_number = submission_of(item.mark, own);
            const bool wanted = its_number && (*its_number == number || (later_too && *its_number > number));
            return wanted ? its_number : std::nullopt;
        });
        if (found) {
            number = found->submission;
            prompt_id = found->prompt_id;
        }
    }
    place.on_queue(queue, prompt_id, own, now);
}

}  // namespace emprops::comfyui
