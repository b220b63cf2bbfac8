#pragma once
// The hash of a job, as far as a worker reads it, and what follows from it: its place in the queue, its number of attempts.
// Pure. supervisor/redis/PROTOCOL.md, "Jobs".

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/redis/rules/matching.h"
#include "supervisor/redis/wire/reply.h"

namespace emprops::redis {

struct JobRecord {
    std::string id;
    JobFields fields;
    std::string payload;  ///< JSON text
    std::string ctx;      ///< JSON text, or empty
    double priority = 50;
    std::string created_at;
    std::int64_t retry_count = 0;
    std::int64_t max_retries = 3;
    std::string workflow_priority, workflow_datetime, current_step, total_steps;

    std::string old_type{};  ///< `job_type`, which jobs without `service_required` have

    /// The name by which connectors know the kind of job.
    std::string job_type() const { return fields.service_required.value_or(old_type); }
    bool has_retries_left() const { return retry_count + 1 < max_retries; }
    /// Its score in the queue when it waits (again): by its workflow where it has one.
    std::string score() const;
};

/// Of its `status`: some worker has it.
inline bool is_active(const std::string& status) {
    return status == "assigned" || status == "in_progress";
}

/// The fields that job_of_fields() wants, in their order, for HMGET; without the payload.
const std::vector<std::string>& matching_fields();
/// Of the answer to HMGET of matching_fields(). Nothing: there is no such job.
std::optional<JobRecord> job_of_fields(const std::string& id, const Reply& values);
// `pairs`: name and value in turn, as HGETALL answers.

/// Empty: it is not there.
std::string field_of(const Reply& pairs, const std::string& name);
/// From element `from` on.
JobRecord job_of_hash(const std::string& id, const Reply& pairs, std::size_t from = 0);

/// Milliseconds since 1970 of "2026-11-29T18:08:22.119Z"; nothing: it is no such time.
std::optional<std::int64_t> ms_of_iso(const std::string& text);
std::string iso_of_ms(std::int64_t ms);

}  // namespace emprops::redis
