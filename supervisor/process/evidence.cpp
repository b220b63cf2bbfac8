#include "supervisor/process/evidence.h"

#include "ipc/codec.h"

namespace emprops::process {

namespace {

/// Stands in for what must not be shown: a JSON string, so that the line stays JSON.
ipc::RawJson hidden(const ipc::RawJson& value) {
    return {"\"<" + std::to_string(value.text.size()) + " bytes>\""};
}

std::string without_newline(std::string line) {
    if (!line.empty() && line.back() == '\n') line.pop_back();
    return cut(line);
}

}  // namespace

std::string cut(std::string_view text) {
    if (text.size() <= shown_line_bytes) return std::string(text);
    std::size_t end = shown_line_bytes;
    // Not into the middle of a UTF-8 character.
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
        --end;
    return std::string(text.substr(0, end)) + "...";
}

std::string shown(const ipc::ToConnector& message) {
    if (const auto* job = std::get_if<ipc::Job>(&message)) {
        ipc::Job copy;
        copy.job_id = job->job_id;
        copy.job_type = job->job_type;
        copy.priority = job->priority;
        copy.attempt = job->attempt;
        copy.resume = job->resume;
        copy.timeout = job->timeout;
        copy.work_dir = job->work_dir;
        copy.payload = hidden(job->payload);
        return without_newline(ipc::encode(ipc::ToConnector(std::move(copy))));
    }
    if (const auto* hello = std::get_if<ipc::Hello>(&message)) {
        ipc::Hello copy = *hello;
        copy.settings = "<hidden>";
        return without_newline(ipc::encode(ipc::ToConnector(std::move(copy))));
    }
    return without_newline(ipc::encode(message));
}

std::string shown(const ipc::FromConnector& message, std::string_view line) {
    if (const auto* result = std::get_if<ipc::JobResult>(&message)) {
        return without_newline(
            ipc::encode(ipc::FromConnector(ipc::JobResult{result->job_id, hidden(result->result)})));
    }
    if (const auto* request = std::get_if<ipc::ServiceRequest>(&message)) {
        ipc::ServiceRequest copy{request->job_id, request->service, request->request_type, "<hidden>"};
        return without_newline(ipc::encode(ipc::FromConnector(std::move(copy))));
    }
    return cut(line);
}

void Evidence::add(std::deque<std::string>& lines, std::string line, std::size_t limit) {
    if (limit == 0) return;
    if (lines.size() >= limit) lines.pop_front();
    lines.push_back(std::move(line));
}

void Evidence::fill(DeathReport& report) const {
    report.stderr_tail.assign(stderr_.begin(), stderr_.end());
    report.last_messages.assign(messages_.begin(), messages_.end());
}

}  // namespace emprops::process
