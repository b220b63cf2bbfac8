#include "supervisor/process/types.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <iterator>

#include "ipc/text/people.h"
#include "ipc/text/utf8.h"

namespace emprops::process {

namespace {

std::string signal_name(int signal) {
    const char* name = ::sigabbrev_np(signal);
    return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

struct ReasonWords {
    StopReason reason;
    const char* name;
    const char* phrase;  // of a connector's death, after "because"
};
constexpr ReasonWords reason_words[] = {
    {StopReason::requested, "requested", "an operator stopped it"},
    {StopReason::restart, "restart", "it was restarted"},
    {StopReason::worker_leaving, "worker_leaving", "the worker ends"},
    {StopReason::recycle, "recycle", "it was recycled"},
    {StopReason::hung, "hung", "it hung"},
    {StopReason::timeout, "timeout", "its job ran too long"},
    {StopReason::cancel_ignored, "cancel_ignored", "it ignored a cancel"},
    {StopReason::write_stalled, "write_stalled", "it read nothing from its stdin"},
    {StopReason::start_timeout, "start_timeout", "it did not say ready in time"},
    {StopReason::bad_protocol, "bad_protocol", "it speaks another protocol version"},
    {StopReason::asked, "asked", "its connector asked for it"},
};

const ReasonWords& words_of(StopReason reason) {
    return *std::find_if(std::begin(reason_words), std::end(reason_words),
                         [&](const ReasonWords& each) { return each.reason == reason; });
}

constexpr std::size_t quoted_bytes = 300;

}  // namespace

std::string to_string(const InstanceId& id) {
    return id.index == 0 ? id.connector : id.connector + "/" + std::to_string(id.index);
}

const char* to_string(StopReason reason) {
    return words_of(reason).name;
}

std::string stopped_text(int signal, int pid) {
    if (signal == 0) return {};
    std::string text = "stopped by " + signal_name(signal) + ": ";
    if (signal == SIGTTIN || signal == SIGTTOU)
        text += std::string("it wants to ") + (signal == SIGTTIN ? "read from" : "change") +
                " a terminal and gets none; give it what it asks for in its settings or environment";
    else
        text += "somebody stopped it";
    return text + "; `kill -CONT " + std::to_string(pid) + "` lets it go on";
}

bool planned(const std::optional<StopReason>& reason) {
    return reason == StopReason::requested || reason == StopReason::restart ||
           reason == StopReason::recycle || reason == StopReason::worker_leaving;
}

const char* to_string(State state) {
    static constexpr const char* names[] = {"waiting",  "starting", "ready",        "busy",    "unhealthy",
                                            "draining", "backoff",  "breaker_open", "stopped", "failed"};
    static_assert(std::size(names) == static_cast<std::size_t>(State::failed) + 1);
    return names[static_cast<int>(state)];
}

const char* service_word(State state) {
    if (state == State::ready || state == State::busy) return "healthy";
    return state == State::draining ? "stopping" : to_string(state);
}

std::string DeathReport::summary() const {
    std::string text;
    if (signal) {
        text = "killed by " + signal_name(*signal) + (core_dumped ? " (core dumped)" : "");
    } else if (exit_code) {
        text = "exited with code " + std::to_string(*exit_code);
    } else if (!start_error.empty()) {
        return "did not start: " + start_error;
    } else {
        text = "disconnected";
    }
    text += " after " + human_duration(uptime);
    if (peak_rss_bytes > 0)
        text += " (peak RSS " + human_bytes(peak_rss_bytes) + ", CPU " + human_duration(cpu) + ")";
    if (left_behind > 0 && !stopped_for)
        text +=
            " and left " + std::to_string(left_behind) + (left_behind == 1 ? " process" : " processes") +
            " in the background, ended with it: what is supervised must stay in the foreground (no --daemon, no "
            "`&`; a script ends with `exec PROGRAM`)";
    if (!start_error.empty()) text += "; it said: " + start_error;
    if (stopped_for) text += ", because " + (stop_text.empty() ? words_of(*stopped_for).phrase : stop_text);
    if (jobs_held.size() == 1) text += " while running job " + jobs_held.front();
    if (jobs_held.size() > 1) text += " while running " + std::to_string(jobs_held.size()) + " jobs";
    return text;
}

std::string DeathReport::last_line() const {
    for (auto line = stderr_tail.rbegin(); line != stderr_tail.rend(); ++line) {
        if (line->find_first_not_of(" \t\r") != std::string::npos)
            return text::shortened(*line, quoted_bytes, "…");
    }
    return {};
}

std::string DeathReport::summary_with_last_line() const {
    const std::string line = last_line();
    return summary() + (line.empty() ? "" : "; its last line: \"" + line + "\"");
}

}  // namespace emprops::process
