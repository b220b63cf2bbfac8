#include "supervisor/process/life/recycle_rule.h"

#include <algorithm>
#include <utility>

#include "ipc/text/people.h"

namespace emprops::process {

namespace {

bool above(std::uint64_t value, std::uint64_t limit) {
    return limit > 0 && value > limit;
}

}  // namespace

std::string RecycleRule::due(const Run& run, std::uint64_t rss_bytes, TimePoint now) const {
    const std::uint64_t jobs = run.jobs_given();
    const std::uint64_t vram = run.signs().vram_used().value_or(0);
    if (limits_.max_jobs > 0 && jobs >= limits_.max_jobs)
        return "it has had " + std::to_string(jobs) + " jobs (max_jobs)";
    if (limits_.max_age > Ms{0} && run.up_for(now) >= limits_.max_age)
        return "it has served for " + human_duration(limits_.max_age) + " (max_age)";
    if (jobs == 0) return "";
    if (above(rss_bytes, limits_.max_rss))
        return "it uses " + std::to_string(rss_bytes >> 20) + " MiB of memory (max_rss)";
    if (above(vram, max_vram_))
        return std::to_string(vram >> 20) + " MiB of graphics memory are in use (max_vram)";
    return "";
}

bool RecycleRule::finds_limit_too_low(const Run& run, std::uint64_t rss_bytes) {
    if (run.jobs_given() > 0) return false;
    const std::uint64_t vram = run.signs().vram_used().value_or(0);
    std::string text;
    if (above(rss_bytes, limits_.max_rss))
        text = "uses " + human_bytes(rss_bytes) + " of memory before its first job and max_rss is " +
               human_bytes(limits_.max_rss) +
               ": it would be recycled after every job; set max_rss well above what it needs when idle";
    else if (above(vram, max_vram_))
        text = "sees " + human_bytes(vram) +
               " of graphics memory in use before its first job and max_vram is " + human_bytes(max_vram_) +
               ": it would be recycled after every job; raise max_vram, or see who uses it";
    else if (rss_bytes == 0)
        return false;  // nothing new is known of its memory
    return std::exchange(limit_too_low_, text).empty() && !text.empty();
}

std::optional<TimePoint> RecycleRule::due_at(const Run& run) const {
    if (limits_.max_age <= Ms{0}) return std::nullopt;
    const TimePoint at = run.up_at() + limits_.max_age;
    return not_before_ ? std::max(at, *not_before_) : at;
}

}  // namespace emprops::process
