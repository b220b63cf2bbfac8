#include "supervisor/process/life/retries.h"

#include <algorithm>

#include "ipc/text/people.h"
#include "supervisor/base/exit_codes.h"

namespace emprops::process {

namespace {

std::string why_final(const DeathReport& report) {
    const std::string& said = report.start_error;
    const std::string line = report.last_line();
    if (report.exit_code == exit_config)
        return "its configuration is wrong (exit code 78)" + (said.empty() ? "" : ": " + said) +
               (line.empty() ? "" : "; its last line: \"" + line + "\"");
    if (report.stopped_for == StopReason::bad_protocol) return said;
    return "it could not start and says that trying again is useless: " + said;
}

}  // namespace

void Retries::configure(const config::RestartSettings& settings) {
    policy_.set_settings(settings);
    policy_.reset();
}

void Retries::count(const DeathReport& report, TimePoint now) {
    last_death_ = report;
    policy_.on_death(now, report.ready_for);
}

bool Retries::is_final(const DeathReport& report) {
    return report.exit_code == exit_config || report.useless_to_retry;
}

void Retries::plan(const DeathReport& report, TimePoint now) {
    last_death_ = report;
    if (is_final(report)) {
        failure_ = why_final(report);
        return;
    }
    const RestartPolicy::Decision decision = policy_.on_death(now, report.ready_for);
    next_ = now + decision.delay;
    breaker_open_ = decision.breaker_open;
}

void Retries::cancel() {
    next_.reset();
    breaker_open_ = false;
    accusation_.clear();
    failure_.clear();
}

bool Retries::judge(int pid, ServiceVerdict verdict, const std::string& text, bool planned, TimePoint now) {
    if (!last_death_ || last_death_->pid != pid) return false;
    const RestartPolicy::Decision decision =
        verdict == ServiceVerdict::job ? policy_.excuse_last_death() : policy_.open();
    // Stopped meanwhile, failed, or started again already: then only the count is another one.
    if (!planned || !next_) return false;
    const bool was_open = breaker_open_;
    const TimePoint then = now + decision.delay;
    breaker_open_ = decision.breaker_open;
    next_ = breaker_open_ || was_open ? then : std::min(*next_, then);
    if (verdict == ServiceVerdict::machine) accusation_ = text;
    return breaker_open_ || was_open;
}

std::string Retries::why(TimePoint now) const {
    if (failed())
        return "has failed: " + failure_ +
               "; it is not started again until its settings change or an operator starts it";
    const std::string wait = human_duration(next_ ? between(now, *next_) : Ms{0});
    std::string text = "waits " + wait + " to restart: ";
    if (breaker_open_)
        text = "is tried again in " + wait +
               " only (breaker open): " + (accusation_.empty() ? "" : accusation_ + "; ");
    const std::size_t deaths = policy_.recent_deaths(now);
    if (deaths > 1)
        text += std::to_string(deaths) + " deaths in the last " + human_duration(policy_.recent_span(now)) +
                ", the last one ";
    return text + (last_death_ ? last_death_->summary_with_last_line() : "");
}

std::string Retries::the_one_before() const {
    return last_death_ ? "; the one before " + last_death_->summary_with_last_line() : "";
}

}  // namespace emprops::process
