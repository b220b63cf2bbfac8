#include "supervisor/local_hub/rest.h"

#include <fmt/format.h>

#include "ipc/json_text.h"
#include "ipc/text/people.h"

namespace emprops::local_hub {
namespace {

/// The Hub keeps times as text in redis and shows them so.
Json time_text(double epoch_seconds) {
    return epoch_seconds > 0 ? Json(fmt::format("{}", epoch_seconds)) : Json();
}

std::string place_in_queue(std::size_t ahead) {
    if (ahead == 0) return "Next in queue";
    return counted(ahead, "job") + " ahead in queue";
}

/// `object` with `"key":raw` added at its end.
std::string with_raw(std::string object, std::string_view key, std::string_view raw) {
    object.pop_back();
    return fmt::format("{},\"{}\":{}}}", object, key, raw);
}

}  // namespace

HttpResponse rest_problem(unsigned status, const Json& detail) {
    return {status, ipc::dump(Json{{"detail", detail}})};
}

HttpResponse rest_alive() {
    return {200, ipc::dump(Json{{"status", "ok"}, {"message", "WebSocket Queue API is running"}})};
}

HttpResponse rest_submitted(const std::string& job_id) {
    return {200, ipc::dump(Json{{"success", true},
                                {"job_id", job_id},
                                {"message", fmt::format("Job submitted successfully with ID: {}", job_id)}})};
}

HttpResponse rest_job(const JobView& view, const std::optional<std::string>& payload,
                      const std::optional<std::string>& error) {
    const auto& [job, result] = view.stored;
    const auto& shown_error = error ? error : job.error;
    const Json fields{
        {"job_id", job.id},
        {"status", name_of(job.status)},
        {"job_type", job.type},
        {"client_id", job.client_id},
        {"worker_id", job.worker_id.empty() ? Json() : Json(job.worker_id)},
        {"priority", job.priority},
        {"attempts", job.attempts},
        {"created_at", time_text(job.created_at)},
        {"claimed_at", time_text(job.claimed_at)},
        {"completed_at", time_text(job.completed_at)},
        {"position", view.ahead ? Json(*view.ahead) : Json()},
        {"display_position", view.ahead ? Json(*view.ahead + 1) : Json()},
        {"progress", job.progress ? Json(static_cast<double>(*job.progress)) : Json()},
        {"error", shown_error ? Json(*shown_error) : Json()},
        {"position_description", view.ahead ? Json(place_in_queue(*view.ahead)) : Json()},
        {"failures", nullptr},
    };
    auto body = with_raw(ipc::dump(fields), "payload", payload.value_or("null"));
    return {200, with_raw(std::move(body), "result", result.value_or("null"))};
}

}  // namespace emprops::local_hub
