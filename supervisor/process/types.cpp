#include "supervisor/process/types.h"

#include <cstring>

#include "ipc/text/people.h"

namespace emprops::process {

namespace {

std::string signal_name(int signal) {
    const char* name = ::sigabbrev_np(signal);
    return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

const char* phrase(StopReason reason) {
    switch (reason) {
        case StopReason::requested:
            return "an operator stopped it";
        case StopReason::restart:
            return "it was restarted";
        case StopReason::worker_leaving:
            return "the worker ends";
        case StopReason::recycle:
            return "it was recycled";
        case StopReason::hung:
            return "it hung";
        case StopReason::timeout:
            return "its job ran too long";
        case StopReason::cancel_ignored:
            return "it ignored a cancel";
        case StopReason::write_stalled:
            return "it read nothing from its stdin";
        case StopReason::start_timeout:
            return "it did not say ready in time";
        case StopReason::bad_protocol:
            return "it speaks another protocol version";
        case StopReason::asked:
            return "its connector asked for it";
    }
    return "";
}

}  // namespace

std::string to_string(const InstanceId& id) {
    return id.index == 0 ? id.connector : id.connector + "/" + std::to_string(id.index);
}

const char* to_string(StopReason reason) {
    switch (reason) {
        case StopReason::requested:
            return "requested";
        case StopReason::restart:
            return "restart";
        case StopReason::worker_leaving:
            return "worker_leaving";
        case StopReason::recycle:
            return "recycle";
        case StopReason::hung:
            return "hung";
        case StopReason::timeout:
            return "timeout";
        case StopReason::cancel_ignored:
            return "cancel_ignored";
        case StopReason::write_stalled:
            return "write_stalled";
        case StopReason::start_timeout:
            return "start_timeout";
        case StopReason::bad_protocol:
            return "bad_protocol";
        case StopReason::asked:
            return "asked";
    }
    return "";
}

bool planned(const std::optional<StopReason>& reason) {
    return reason == StopReason::requested || reason == StopReason::restart ||
           reason == StopReason::recycle || reason == StopReason::worker_leaving;
}

const char* to_string(State state) {
    switch (state) {
        case State::waiting:
            return "waiting";
        case State::starting:
            return "starting";
        case State::ready:
            return "ready";
        case State::busy:
            return "busy";
        case State::unhealthy:
            return "unhealthy";
        case State::draining:
            return "draining";
        case State::backoff:
            return "backoff";
        case State::breaker_open:
            return "breaker_open";
        case State::stopped:
            return "stopped";
        case State::failed:
            return "failed";
    }
    return "";
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
    if (!start_error.empty()) text += "; it said: " + start_error;
    if (stopped_for) text += ", because " + (stop_text.empty() ? phrase(*stopped_for) : stop_text);
    if (jobs_held.size() == 1) text += " while running job " + jobs_held.front();
    if (jobs_held.size() > 1) text += " while running " + std::to_string(jobs_held.size()) + " jobs";
    return text;
}

}  // namespace emprops::process
