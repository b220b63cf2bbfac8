#include <utility>

#include "ipc/codec.h"
#include "ipc/json_text.h"
#include "ipc/object_text.h"
#include "ipc/result_files.h"

namespace emprops::ipc {
namespace {

/// `type` is the first member.
class Line {
  public:
    explicit Line(const char* type) { object_.add("type", type); }

    template <class Value>
    Line& add(const char* name, const Value& value) {
        object_.add(name, value);
        return *this;
    }
    template <class Value>
    Line& add_if(bool wanted, const char* name, const Value& value) {
        object_.add_if(wanted, name, value);
        return *this;
    }
    Line& add_raw(const char* name, const RawJson& value) {
        object_.add_raw(name, has_breaks(value) ? on_one_line(value.text()) : value.text());
        return *this;
    }

    std::string end() { return object_.end() + "\n"; }
    /// The same with a last member that is not copied.
    SharedLine end_with(const char* name, const RawJson& value) {
        if (value.text().size() < least_shared_bytes || has_breaks(value))
            return {add_raw(name, value).end()};
        return {object_.end_before(name), value, "}\n"};
    }

  private:
    static constexpr std::size_t least_shared_bytes = 64 * 1024;

    static bool has_breaks(const RawJson& value) {
        return value.text().find('\n') != std::string::npos || value.text().find('\r') != std::string::npos;
    }

    ObjectText object_;
};

Json names(const Features& features) {
    Json out = Json::array();
    if (features.cancel) out.push_back("cancel");
    if (features.ping) out.push_back("ping");
    if (features.status) out.push_back("status");
    if (features.resume) out.push_back("resume");
    if (features.prepare) out.push_back("prepare");
    if (features.files) out.push_back("files");
    return out;
}

Json list_of(const std::vector<ResultFile>& files) {
    Json out = Json::array();
    for (const ResultFile& file : files)
        out.push_back(to_json(file));
    return out;
}

RawJson offer_text(const FilesOffer& offer) {
    ObjectText object;
    object.add("stores", offer.stores).add("max_files", offer.max_files).add("released", offer.released);
    object.add_if(offer.max_bytes > 0, "max_bytes", offer.max_bytes);
    object.add_if(!offer.deliver.empty(), "deliver", offer.deliver);
    return object.add_if(!offer.jobs.empty(), "jobs", offer.jobs).end();
}

Line before_payload(const Job& m) {
    Line line("job");
    line.add("job_id", m.job_id).add("job_type", m.job_type).add("priority", m.priority);
    line.add("attempt", m.attempt).add("resume", m.resume);
    line.add_if(m.prepare, "prepare", true);
    if (m.timeout) line.add("timeout_ms", m.timeout->count());
    line.add_if(!m.traceparent.empty(), "traceparent", m.traceparent).add("work_dir", m.work_dir);
    return line;
}

struct Encoder {
    // ---- supervisor -> connector
    std::string operator()(const Hello& m) const {
        const Json heartbeat{{"interval_ms", m.heartbeat_interval.count()}, {"missed", m.heartbeat_missed}};
        Line line("hello");
        line.add("protocol_versions", m.protocol_versions)
            .add("worker_id", m.worker_id)
            .add("connector", m.connector)
            .add("instance", m.instance)
            .add("max_line_bytes", m.max_line_bytes)
            .add("work_dir", m.work_dir)
            .add_if(!m.hub.empty(), "hub", m.hub);
        if (m.prepare_timeout) line.add("prepare_timeout_ms", m.prepare_timeout->count());
        line.add("heartbeat", heartbeat);
        if (m.concurrency) line.add("concurrency", *m.concurrency);
        if (m.files) line.add_raw("files", offer_text(*m.files));
        return line.add("settings", m.settings).end();
    }
    std::string operator()(const Job& m) const {
        return before_payload(m).add_raw("payload", m.payload).end();
    }
    std::string operator()(const Begin& m) const { return Line("begin").add("job_id", m.job_id).end(); }
    std::string operator()(const Cancel& m) const {
        return Line("cancel").add("job_id", m.job_id).add("reason", m.reason).end();
    }
    std::string operator()(const Ping& m) const { return Line("ping").add("id", m.id).end(); }
    std::string operator()(const Drain&) const { return Line("drain").end(); }
    std::string operator()(const Shutdown& m) const {
        return Line("shutdown").add("grace_ms", m.grace.count()).end();
    }

    // ---- connector -> supervisor
    std::string operator()(const Ready& m) const {
        return Line("ready")
            .add("protocol", m.protocol)
            .add_if(!m.name.empty(), "name", m.name)
            .add_if(!m.version.empty(), "version", m.version)
            .add_if(!m.job_types.empty(), "job_types", m.job_types)
            .add("concurrency", m.concurrency)
            .add("features", names(m.features))
            .add("capabilities", m.capabilities)
            .end();
    }
    std::string operator()(const InitFailed& m) const {
        return Line("init_failed").add("error", to_json(m.error)).end();
    }
    std::string operator()(const Preparing& m) const {
        Line line("preparing");
        if (m.progress) line.add("progress", *m.progress);
        return line.add_if(!m.message.empty(), "message", m.message).end();
    }
    std::string operator()(const Accepted& m) const { return Line("accepted").add("job_id", m.job_id).end(); }
    std::string operator()(const Progress& m) const {
        Line line("progress");
        line.add("job_id", m.job_id);
        if (m.progress) line.add("progress", *m.progress);
        return line.add("status", m.status)
            .add_if(!m.message.empty(), "message", m.message)
            .add_if(m.details.is_object(), "details", m.details)
            .end();
    }
    std::string operator()(const Released& m) const { return Line("released").add("job_id", m.job_id).end(); }
    std::string operator()(const JobResult& m) const {
        Line line("result");
        line.add("job_id", m.job_id);
        if (!m.files.empty()) line.add("files", list_of(m.files));
        return line.add_raw("result", m.result).end();
    }
    std::string operator()(const Failed& m) const {
        return Line("failed").add("job_id", m.job_id).add("error", to_json(m.error)).end();
    }
    std::string operator()(const Status& m) const {
        return Line("status")
            .add("connected", m.connected)
            .add("available", m.available)
            .add_if(!m.reason.empty(), "reason", m.reason)
            .add_if(!m.service.empty(), "service", m.service)
            .add_if(m.details.is_object(), "details", m.details)
            .end();
    }
    std::string operator()(const RestartService& m) const {
        return Line("restart_service").add("reason", m.reason).end();
    }
    std::string operator()(const ServiceRequest& m) const {
        return Line("service_request")
            .add("job_id", m.job_id)
            .add("service", m.service)
            .add("request_type", m.request_type)
            .add("content", m.content)
            .end();
    }
    std::string operator()(const LogLine& m) const {
        return Line("log")
            .add("level", m.level)
            .add("message", m.message)
            .add_if(m.fields.is_object(), "fields", m.fields)
            .end();
    }
    std::string operator()(const Capabilities& m) const {
        Line line("capabilities");
        if (m.job_types) line.add("job_types", *m.job_types);
        if (m.concurrency) line.add("concurrency", *m.concurrency);
        if (m.capabilities) line.add("capabilities", *m.capabilities);
        return line.end();
    }
    std::string operator()(const Metrics& m) const {
        return Line("metrics")
            .add_if(!m.counters.empty(), "counters", m.counters)
            .add_if(!m.gauges.empty(), "gauges", m.gauges)
            .end();
    }
    std::string operator()(const Pong& m) const { return Line("pong").add("id", m.id).end(); }
    std::string operator()(const Unknown& m) const { return Line(m.type.c_str()).end(); }
};

}  // namespace

std::string encode(const ToConnector& message) {
    return std::visit(Encoder{}, message);
}

SharedLine encode_shared(const ToConnector& message) {
    if (const auto* job = std::get_if<Job>(&message))
        return before_payload(*job).end_with("payload", job->payload);
    return {encode(message)};
}

std::string encode(const FromConnector& message) {
    return std::visit(Encoder{}, message);
}

Json to_json(const JobError& error) {
    Json out{{"code", error.code}, {"message", error.message}, {"retryable", error.retryable}};
    if (error.details.is_object()) out["details"] = error.details;
    return out;
}

}  // namespace emprops::ipc
