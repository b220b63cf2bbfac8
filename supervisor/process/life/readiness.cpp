#include "supervisor/process/life/readiness.h"

#include <algorithm>

namespace emprops::process {
namespace {

// Nobody is there yet, which costs nothing to find; each question that comes late is time without jobs.
constexpr Ms while_starting{500};

}  // namespace

SignsOfLife::SignsOfLife(const Readiness& readiness, TimePoint spawned_at) : readiness_(readiness) {
    if (const auto* page = std::get_if<AnswersPage>(&readiness_))
        next_ = spawned_at + std::min(while_starting, page->interval);
}

void SignsOfLife::start_pings(TimePoint now) {
    const auto* rule = std::get_if<SaysReady>(&readiness_);
    if (rule != nullptr && rule->ping_interval > Ms{0}) next_ = now + rule->ping_interval;
}

void SignsOfLife::pong(std::uint64_t id) {
    // An older answer proves as well that its reader lives.
    if (id > last_ping_) return;
    ping_unanswered_ = false;
    missed_ = 0;
}

bool SignsOfLife::answered(const PageAnswer& answer, bool is_up, TimePoint now) {
    const auto* rule = std::get_if<AnswersPage>(&readiness_);
    if (rule == nullptr) return false;
    next_ = now + (is_up || answer.healthy ? rule->interval : std::min(while_starting, rule->interval));
    last_miss_ = answer.text;
    if (answer.healthy) {
        missed_ = 0;
        vram_used_ = answer.vram_used;
        return false;
    }
    return is_up && ++missed_ >= rule->missed;
}

SignsOfLife::Due SignsOfLife::tick(bool stdin_backlog, TimePoint now) {
    Due due;
    if (!next_ || now < *next_) return due;
    const auto* rule = std::get_if<SaysReady>(&readiness_);
    if (rule == nullptr) {
        next_.reset();
        due.ask_page = true;
        return due;
    }
    next_ = now + rule->ping_interval;
    // A ping behind a large payload says nothing about the reader; the write deadline watches that case.
    if (stdin_backlog) return due;
    if (ping_unanswered_ && ++missed_ >= rule->missed) {
        due.hangs =
            "no answer to " + std::to_string(missed_) +
            " pings: read stdin and answer also while a job runs (in a thread or loop of its own), or leave the "
            "feature \"ping\" out of `ready`";
        return due;
    }
    ping_unanswered_ = true;
    due.ping = ++last_ping_;
    return due;
}

std::uint32_t SignsOfLife::misses_that_mean_hung() const {
    if (const auto* page = std::get_if<AnswersPage>(&readiness_)) return page->missed;
    if (const auto* rule = std::get_if<SaysReady>(&readiness_)) return rule->missed;
    return 0;
}

}  // namespace emprops::process
