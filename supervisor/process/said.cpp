#include "supervisor/process/said.h"

#include <utility>

#include "ipc/json_text.h"

namespace emprops::process {

namespace {

constexpr std::uint32_t complaints_per_second = 10;
/// Of what is told once. A connector of a later version has a few unknown types and features.
constexpr std::size_t most_told_once = 20;

spdlog::level::level_enum level_of(const std::string& name) {
    const auto level = name == "warn" ? spdlog::level::warn : spdlog::level::from_str(name);
    return level == spdlog::level::off ? spdlog::level::info : level;
}

std::string text_of(const ipc::LogLine& line) {
    std::string text = line.message;
    if (line.fields.is_object() && !line.fields.empty()) text += " " + ipc::dump(line.fields);
    return cut(text);
}

}  // namespace

Said::Said(Surroundings& around, Child& child, Speaker speaker, ProcessCounters& counters, LastSaid& last)
    : around_(around),
      child_(child),
      speaker_(std::move(speaker)),
      counters_(counters),
      last_(last),
      log_(logger(speaker_.logger)),
      lines_(speaker_.lines_per_second),
      complaints_(complaints_per_second) {}

void Said::trace(TraceLine::Kind kind, std::string_view text, bool state) const {
    around_.news->trace({speaker_.id, child_.pid(), std::chrono::system_clock::now(), kind,
                         speaker_.prefix + std::string(text), state});
}

// ---- prints -----------------------------------------------------------------------------------------------

void Said::line(std::string_view text, Pipe pipe) {
    ++counters_.lines;
    pass(text, pipe, false);
}

void Said::state(std::string_view text, Pipe pipe) {
    pass(text, pipe, true);
}

void Said::pass(std::string_view text, Pipe pipe, bool state) {
    const bool logged = may_pass();
    // The end of a flood often says why a process died: it is kept even when it is not logged.
    child_.evidence().add_stderr(text, logged, {pipe, state});
    if (!logged) return;
    const std::string shown = cut(text);
    print(TraceLine::Kind::stderr_line, "info", shown, shown, state);
}

void Said::stray(const ipc::Stray& stray, bool state) {
    if (!may_pass()) return;
    if (stray.log) {
        const std::string text = text_of(*stray.log);
        print(TraceLine::Kind::stray_line, stray.log->level.c_str(), text, stray.log->level + ": " + text,
              state);
        return;
    }
    const std::string text = cut(stray.text);
    // Said once of many lines of one kind.
    const bool news = !stray.hint.empty() && last_hint_ != stray.hint;
    const std::string hint = news ? " (no message: " + stray.hint + ")" : "";
    if (news) last_hint_ = stray.hint;
    print(TraceLine::Kind::stray_line, "info", "stray output on stdout" + hint + ": " + text, text + hint,
          state);
}

void Said::message(const ipc::LogLine& message) {
    if (!may_pass()) return;
    const std::string text = text_of(message);
    print(TraceLine::Kind::log_line, message.level.c_str(), text, message.level + ": " + text, false);
}

bool Said::may_pass() {
    if (lines_.allow(Clock::now())) return true;
    ++counters_.lines_dropped;
    return false;
}

void Said::print(TraceLine::Kind kind, const char* level, const std::string& text, const std::string& watched,
                 bool state) {
    const LogContext context(child_.log_fields());
    say_dropped();
    log_->log(level_of(level), "{}", text);
    last_.printed(watched, Clock::now());
    trace(kind, watched, state);
}

// ---- complaints -------------------------------------------------------------------------------------------

bool Said::complain(const std::string& job_id, const std::string& text) {
    const TimePoint now = Clock::now();
    if (!complaints_.allow(now)) return false;
    const std::string shown = cut(text);
    const LogContext context(child_.log_fields(job_id));
    log_->warn("{}", shown);
    last_.complained(shown, now);
    trace(TraceLine::Kind::complaint, shown);
    return true;
}

void Said::complain_once(const std::string& what, const std::string& job_id, const std::string& text) {
    if (told_.size() < most_told_once && told_.insert(what).second) complain(job_id, text);
}

void Said::say_dropped() {
    const std::uint64_t dropped = lines_.take_dropped();
    if (dropped == 0) return;
    const std::string text = std::to_string(dropped) + " " + speaker_.lines + " were dropped (" +
                             speaker_.limit + " = " + std::to_string(speaker_.lines_per_second) + ")";
    log_->warn("{}", text);
    trace(TraceLine::Kind::complaint, text);
}

void Said::say_what_was_dropped(bool tail) {
    const LogContext context(child_.log_fields());
    say_dropped();
    if (const std::uint64_t dropped = complaints_.take_dropped())
        log_->warn("{} complaints about its stdout were not logged", dropped);
    if (!tail) return;
    for (const std::string& line : child_.evidence().unlogged_stderr()) {
        log_->info("{} (one of the last lines of stderr)", line);
        trace(TraceLine::Kind::stderr_line, line);
    }
}

}  // namespace emprops::process
