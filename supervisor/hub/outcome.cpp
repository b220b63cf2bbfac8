#include "supervisor/hub/outcome.h"

#include <new>
#include <utility>

#include "supervisor/base/memory.h"

namespace emprops::hub {
namespace {

std::string in_words(std::size_t bytes) {
    return std::to_string(bytes) + " bytes (" + std::to_string((bytes + (1u << 20) - 1) >> 20) + " MiB)";
}

}  // namespace

std::size_t OutboxItem::size() const {
    const auto* result = std::get_if<jobs::Completed>(&outcome.value);
    return result == nullptr ? 0 : result->result.text().size();
}

void OutboxItem::sent(TimePoint now, std::size_t frame_bytes) {
    enter(State::sent, now);
    written = false;
    upload.begin(now, frame_bytes);
}

std::string outcome_frame(Wire& wire, std::size_t limit, jobs::Outcome& outcome) {
    if (const auto* completed = std::get_if<jobs::Completed>(&outcome.value)) {
        jobs::Failed failed;
        failed.error.code = ipc::code::result_too_large;
        failed.error.retryable = false;
        failed.error.message = "the result is " + in_words(completed->result.text().size()) + ", ";
        try {
            std::string frame = encode(CompleteJob{wire.stamp(), outcome.job_id, completed->result.text()});
            if (frame.size() <= limit) return frame;
            failed.error.message +=
                "the Hub takes messages of at most " + in_words(limit) +
                "; let the connector store large outputs elsewhere and return their address, or raise the Hub's "
                "ws_max_size and hub.send_limit together";
        } catch (const std::bad_alloc&) {
            failed.error.message += std::string("for which ") + no_memory;
        }
        wire.note(Note::Level::error, "job " + outcome.job_id + ": " + failed.error.message);
        outcome.value = std::move(failed);
    }
    const auto& failed = std::get<jobs::Failed>(outcome.value);
    return encode_fail(wire.stamp(), outcome.job_id, failed.error, failed.begun);
}

std::string completed_progress_frame(const Wire& wire, const std::string& job_id) {
    ipc::Progress done;
    done.job_id = job_id;
    done.progress = 100;
    done.status = "completed";
    done.message = "Job completed successfully";
    return encode_progress(wire.stamp(), done);
}

}  // namespace emprops::hub
