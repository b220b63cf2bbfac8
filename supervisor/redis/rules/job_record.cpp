#include "supervisor/redis/rules/job_record.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "ipc/text/values.h"

namespace emprops::redis {
namespace {

/// Beyond these no score is exact, and "nan" is none.
std::optional<double> score_part(const std::string& text) {
    const auto value = text::parse_double(text);
    return value && std::abs(*value) <= 1e15 ? value : std::nullopt;
}

void set(JobRecord& job, const std::string& name, const std::string& value) {
    if (name == "service_required") job.fields.service_required = value;
    if (name == "requirements") job.fields.requirements = value;
    if (name == "customer_id") job.fields.customer_id = value;
    if (name == "workflow_id") job.fields.workflow_id = value;
    if (name == "job_type") job.old_type = value;
    if (name == "payload") job.payload = value;
    if (name == "ctx") job.ctx = value;
    if (name == "created_at") job.created_at = value;
    if (name == "priority") job.priority = score_part(value).value_or(job.priority);
    if (name == "retry_count") job.retry_count = text::parse_integer(value).value_or(job.retry_count);
    if (name == "max_retries") job.max_retries = text::parse_integer(value).value_or(job.max_retries);
    if (name == "workflow_priority") job.workflow_priority = value;
    if (name == "workflow_datetime") job.workflow_datetime = value;
    if (name == "current_step") job.current_step = value;
    if (name == "total_steps") job.total_steps = value;
}

}  // namespace

std::string JobRecord::score() const {
    const double own = score_part(workflow_priority).value_or(priority);
    const double when =
        score_part(workflow_datetime).value_or(static_cast<double>(ms_of_iso(created_at).value_or(0)));
    const double score = own * 1e15 - std::floor(when / 1000);
    char text[40];
    std::snprintf(text, sizeof text, "%.17g", score);
    return text;
}

const std::vector<std::string>& matching_fields() {
    static const std::vector<std::string> names{
        "status",       "service_required", "requirements",      "customer_id", "workflow_id",
        "created_at",   "priority",         "retry_count",       "max_retries", "workflow_priority",
        "current_step", "total_steps",      "workflow_datetime", "job_type"};
    return names;
}

std::optional<JobRecord> job_of_fields(const std::string& id, const Reply& values) {
    const auto& names = matching_fields();
    if (values.list.size() != names.size() || values.list[0].is_nil()) return {};
    JobRecord job;
    job.id = id;
    for (std::size_t i = 0; i < names.size(); ++i)
        if (!values.list[i].is_nil()) set(job, names[i], values.list[i].text);
    return job;
}

std::string field_of(const Reply& pairs, const std::string& name) {
    for (std::size_t i = 0; i + 1 < pairs.list.size(); i += 2)
        if (pairs.list[i].text == name) return pairs.list[i + 1].text;
    return {};
}

JobRecord job_of_hash(const std::string& id, const Reply& pairs, std::size_t from) {
    JobRecord job;
    job.id = id;
    for (std::size_t i = from; i + 1 < pairs.list.size(); i += 2)
        set(job, pairs.list[i].text, pairs.list[i + 1].text);
    return job;
}

std::optional<std::int64_t> ms_of_iso(const std::string& text) {
    std::tm parts{};
    int ms = 0;
    char end = 0;
    if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d.%3d%c", &parts.tm_year, &parts.tm_mon,
                    &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &ms, &end) != 8 ||
        end != 'Z')
        return {};
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    return static_cast<std::int64_t>(timegm(&parts)) * 1000 + ms;
}

std::string iso_of_ms(std::int64_t ms) {
    const std::time_t seconds = ms / 1000;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[64];
    std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900,
                  parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                  static_cast<int>(ms % 1000));
    return text;
}

}  // namespace emprops::redis
