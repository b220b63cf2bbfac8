#include "supervisor/redis/rules/end_texts.h"

#include <algorithm>

#include "ipc/json_text.h"
#include "ipc/object_text.h"
#include "ipc/text/values.h"

namespace emprops::redis {
namespace {

using ipc::ObjectText;

std::string text_or_null(const std::string& text) {
    return text.empty() ? "null" : ipc::dump(ipc::Json(text));
}

/// A number as a number; what is none is left out.
void add_number(ObjectText& out, const char* name, const std::string& text) {
    if (const auto value = text::parse_double(text)) out.add(name, *value);
}

void add_workflow(ObjectText& out, const JobRecord& job) {
    if (!job.fields.workflow_id.empty()) out.add("workflow_id", job.fields.workflow_id);
    add_number(out, "current_step", job.current_step);
    add_number(out, "total_steps", job.total_steps);
    add_number(out, "workflow_priority", job.workflow_priority);
    add_number(out, "workflow_datetime", job.workflow_datetime);
}

/// "[job-id:WORKFLOW:]step-id:JOB", the job without a leading "step-".
std::string step_key(const JobRecord& job) {
    const std::string step = "step-";
    const std::string id = job.id.starts_with(step) ? job.id.substr(step.size()) : job.id;
    const std::string& workflow = job.fields.workflow_id;
    return (workflow.empty() ? "" : "job-id:" + workflow + ":") + "step-id:" + id;
}

/// How often it was tried before, as the reference finds out: where a workflow counts, its own count holds.
std::int64_t tries_before(const JobRecord& job) {
    const ipc::Json ctx = job.ctx.empty() ? ipc::Json() : ipc::Json::parse(job.ctx, nullptr, false);
    const auto workflow = ctx.is_object() ? ctx.find("workflow_context") : ctx.end();
    if (workflow != ctx.end() && workflow->is_object()) {
        const auto tries = workflow->find("retry_attempt");
        if (tries != workflow->end() && tries->is_number_integer()) return tries->get<std::int64_t>();
    }
    return job.retry_count;
}

void add_origin(ObjectText& out, const JobRecord& job, const Teller& teller, std::int64_t now_ms) {
    out.add_raw("workflow_id", text_or_null(job.fields.workflow_id))
        .add_raw("current_step", text_or_null(job.current_step))
        .add_raw("total_steps", text_or_null(job.total_steps));
    out.add("machine_id", teller.machine)
        .add("worker_version", teller.version)
        .add("attestation_created_at", now_ms);
}

}  // namespace

FailureClass class_of(const std::string& code) {
    static constexpr struct {
        const char* code;
        FailureClass is;
    } known[] = {
        {ipc::code::invalid_payload, {"validation_error", "invalid_payload"}},
        {ipc::code::unsupported, {"validation_error", "unsupported_operation"}},
        {ipc::code::service_unavailable, {"service_error", "service_unavailable"}},
        {ipc::code::service_error, {"service_error", "service_down"}},
        {ipc::code::access_denied, {"auth_error", "insufficient_permissions"}},
        {ipc::code::timeout, {"timeout", "job_timeout"}},
        {ipc::code::hung, {"timeout", "processing_timeout"}},
        {ipc::code::out_of_memory, {"resource_limit", "gpu_memory_full"}},
        {ipc::code::result_too_large, {"resource_limit", "concurrent_limit"}},
        {ipc::code::protocol_error, {"response_error", "invalid_response_format"}},
        {ipc::code::crashed, {"system_error", "dependency_error"}},
        {ipc::code::poison, {"system_error", "dependency_error"}},
        {ipc::code::lost, {"system_error", "internal_error"}},
        {ipc::code::internal, {"system_error", "internal_error"}},
    };
    for (const auto& each : known)
        if (code == each.code) return each.is;
    return {"system_error", "unknown_error"};
}

std::string result_text(std::string_view connector_result, std::int64_t took_ms) {
    ObjectText out;
    out.add("success", true).add_raw("data", connector_result).add("processing_time_ms", took_ms);
    return out.end();
}

Completion completion_of(const JobRecord& job, const Teller& teller, std::string_view result,
                         std::int64_t now_ms) {
    const std::string now = iso_of_ms(now_ms);
    Completion out;
    out.attestation_key =
        "worker:completion:" + step_key(job) + ":attempt:" + std::to_string(tries_before(job) + 1);
    ObjectText attestation;
    attestation.add("job_id", job.id)
        .add("worker_id", teller.worker)
        .add("status", "completed")
        .add("completed_at", now)
        .add("result", result)
        .add("retry_count", tries_before(job));
    add_origin(attestation, job, teller, now_ms);
    out.attestation = attestation.end();
    out.entry = ObjectText().add("success", true).add_raw("data", result).add("completed_at", now).end();
    ObjectText message;
    message.add("job_id", job.id)
        .add("worker_id", teller.worker)
        .add("progress", 100)
        .add("status", "completed")
        .add("message", "Job completed successfully")
        .add_raw("result", result)
        .add("timestamp", now_ms);
    add_workflow(message, job);
    out.message = message.end();
    return out;
}

Failure failure_of(const JobRecord& job, const Teller& teller, const ipc::JobError& error, bool again,
                   std::int64_t now_ms) {
    const std::string now = iso_of_ms(now_ms);
    const FailureClass what = class_of(error.code);
    const std::string said = "[" + error.code + "] " + error.message;
    Failure out;
    out.attempts = job.retry_count + 1;
    const std::string key = step_key(job);
    out.attestation_key = "worker:failure:" + key +
                          (again ? ":attempt:" + std::to_string(out.attempts) : std::string(":permanent"));
    out.final_key = "worker:completion:" + key;
    ObjectText attestation;
    attestation.add("attestation_type", again ? "failure_retry" : "failure_permanent")
        .add("job_id", job.id)
        .add("worker_id", teller.worker)
        .add("status", again ? "failed_retrying" : "failed_permanent")
        .add("failed_at", now)
        .add("error_message", said)
        .add("failure_type", what.type)
        .add("failure_reason", what.reason)
        .add("failure_description", error.message)
        .add("retry_count", out.attempts)
        .add("will_retry", again)
        .add("max_retries", job.max_retries);
    add_origin(attestation, job, teller, now_ms);
    out.attestation = attestation.end();
    out.entry = ObjectText().add("error", said).add("failed_at", now).add("retry_count", out.attempts).end();
    ObjectText message;
    message.add("job_id", job.id)
        .add("worker_id", teller.worker)
        .add("status", "failed")
        .add("error", said)
        .add("failed_at", now)
        .add("retry_count", out.attempts)
        .add("can_retry", false)
        .add("timestamp", now_ms);
    add_workflow(message, job);
    out.message = message.end();
    return out;
}

std::string progress_message(const JobRecord& job, const std::string& worker, int percent,
                             const std::string& message, std::int64_t now_ms) {
    ObjectText out;
    out.add("job_id", job.id)
        .add("worker_id", worker)
        .add("progress", std::clamp(percent, 0, 99))
        .add("status", "in_progress")
        .add("message", message);
    add_number(out, "total_steps", job.total_steps);
    out.add("timestamp", now_ms);
    return out.end();
}

std::string status_message(const std::string& worker, bool busy, const std::string& job_id,
                           std::int64_t now_ms) {
    return ObjectText()
        .add("worker_id", worker)
        .add("old_status", busy ? "idle" : "busy")
        .add("new_status", busy ? "busy" : "idle")
        .add("current_job_id", busy ? job_id : std::string())
        .add("timestamp", now_ms)
        .end();
}

}  // namespace emprops::redis
