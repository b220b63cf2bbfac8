#include "connectors/comfyui/run/patience.h"

#include "ipc/text/people.h"

namespace emprops::comfyui {

std::optional<Patience::Verdict> Patience::verdict(const Waits& waits, TimePoint now) const {
    const struct {
        std::optional<TimePoint> since;
        Ms limit;
        Verdict verdict;
    } list[] = {
        {waits.unreachable, limits_.unreachable, Verdict::unreachable},
        {waits.began, limits_.total, waits.sent ? Verdict::took_too_long : Verdict::not_sent},
        {waits.idle, limits_.start, Verdict::silent_worker},
        {waits.queued, limits_.queue_wait, Verdict::queued},
        {waits.behind, limits_.no_progress, Verdict::blocked},
        {waits.silent, limits_.no_progress, Verdict::no_progress},
    };
    for (const auto& each : list) {
        if (each.since && since(*each.since, now) >= each.limit) return each.verdict;
    }
    return {};
}

Failure Patience::failure(Verdict verdict, const std::string& problem,
                          const std::optional<Place::Head>& head) const {
    const std::string total = "total_timeout (" + human_duration(limits_.total) + ")";
    switch (verdict) {
        case Verdict::unreachable:
            return failure_of(
                Cause::unreachable,
                "ComfyUI did not answer for " + human_duration(limits_.unreachable) + " (" + problem + ")");
        case Verdict::not_sent:
            return failure_of(Cause::total_timeout,
                              "the prompt could not be sent within " + total + "; " + problem);
        case Verdict::took_too_long:
            return failure_of(Cause::total_timeout, "the prompt took longer than " + total);
        case Verdict::silent_worker:
            return failure_of(Cause::silent_worker, "ComfyUI answers but has not begun any prompt for " +
                                                        human_duration(limits_.start) +
                                                        ": its worker thread is silent");
        case Verdict::queued:
            return failure_of(Cause::queue_timeout, "the prompt waited longer than queue_timeout (" +
                                                        human_duration(limits_.queue_wait) +
                                                        ") behind other prompts in ComfyUI");
        case Verdict::blocked:
            return failure_of(Cause::blocked, owner_text(head->prompt_id, head->mark) +
                                                  " has been the running one in ComfyUI for " +
                                                  human_duration(limits_.no_progress) +
                                                  " (no_progress_timeout)");
        case Verdict::no_progress:
            break;
    }
    return failure_of(Cause::no_progress, "the prompt showed no sign of progress for no_progress_timeout (" +
                                              human_duration(limits_.no_progress) + ")");
}

}  // namespace emprops::comfyui
