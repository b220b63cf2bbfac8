#include "supervisor/process/evidence.h"

#include "ipc/codec.h"
#include "ipc/text/utf8.h"

namespace emprops::process {

namespace {

/// Stands in for what must not be shown: a JSON string, so that the line stays JSON.
ipc::RawJson hidden(const ipc::RawJson& value) {
    return {"\"<" + std::to_string(value.text().size()) + " bytes>\""};
}

std::string without_newline(std::string line) {
    if (!line.empty() && line.back() == '\n') line.pop_back();
    return cut(line);
}

}  // namespace

std::string_view cut_view(std::string_view text) {
    return text::cut(text, shown_line_bytes);
}

std::string cut(std::string_view text) {
    return text::shortened(text, shown_line_bytes);
}

std::string shown(const ipc::ToConnector& message) {
    if (const auto* job = std::get_if<ipc::Job>(&message)) {
        ipc::Job copy;
        copy.job_id = job->job_id;
        copy.job_type = job->job_type;
        copy.priority = job->priority;
        copy.attempt = job->attempt;
        copy.resume = job->resume;
        copy.prepare = job->prepare;
        copy.timeout = job->timeout;
        copy.traceparent = job->traceparent;
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
    if (const auto* unknown = std::get_if<ipc::Unknown>(&message))
        return "(" + std::to_string(line.size()) + " bytes of unknown type \"" + cut(unknown->type) + "\")";
    return cut(line);
}

std::string shown(const ipc::Malformed& malformed, std::size_t size) {
    std::string text = "(broken line of " + std::to_string(size) + " bytes";
    if (malformed.type) text += ", type \"" + cut(*malformed.type) + "\"";
    if (malformed.job_id) text += ", job " + cut(*malformed.job_id);
    return text + ": " + cut(malformed.reason) + ")";
}

Evidence::Ring::Line& Evidence::Ring::next_place(std::size_t limit, Pipe pipe) {
    const bool full = lines_.size() >= limit;
    if (!lines_.empty()) {
        Line& newest = full ? lines_[(next_ + limit - 1) % limit] : lines_.back();
        if (newest.origin.state && newest.origin.pipe == pipe) return newest;
    }
    if (!full) return lines_.emplace_back();
    Line& oldest = lines_[next_];
    next_ = (next_ + 1) % limit;
    return oldest;
}

void Evidence::Ring::add(std::string_view mark, std::string_view line, bool logged, std::size_t limit,
                         Origin origin) {
    if (limit == 0) return;
    Line& place = next_place(limit, origin.pipe);
    const std::string_view part = cut_view(line);
    place.text.assign(mark).append(part);
    if (part.size() < line.size()) place.text += "...";
    place.logged = logged;
    place.origin = origin;
}

std::vector<std::string> Evidence::Ring::list(bool only_unlogged) const {
    std::vector<std::string> all;
    for (std::size_t n = 0; n < lines_.size(); ++n) {
        const Line& line = lines_[(next_ + n) % lines_.size()];
        if (!only_unlogged || !line.logged) all.push_back(line.text);
    }
    return all;
}

void Evidence::fill(DeathReport& report) const {
    report.stderr_tail = stderr_.list(false);
    report.last_messages = messages_.list(false);
}

}  // namespace emprops::process
