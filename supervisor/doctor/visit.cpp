#include "supervisor/doctor/visit.h"

#include <algorithm>
#include <utility>

#include "ipc/codec.h"
#include "ipc/object_text.h"
#include "ipc/text/people.h"

namespace emprops::doctor {
namespace {

std::string first_of(const std::vector<std::string>& list) {
    const std::string more = list.size() > 1 ? " (and " + std::to_string(list.size() - 1) + " more)" : "";
    return list.front() + more;
}

}  // namespace

bool Visit::begin() {
    if (!patient.start()) return false;
    patient.send(patient.hello());
    return wait_ready();
}

bool Visit::wait_ready() {
    const TimePoint from = patient.now();
    const auto over = [&] { return heard().ready() || heard().init_failed() || !runs(); };
    while (!over()) {
        const TimePoint end = std::min(heard().preparing_at().value_or(from) + plan.start_limit,
                                       from + std::max(plan.start_limit, plan.prepare_limit));
        if (patient.now() >= end) break;
        patient.wait(over, std::min(between(patient.now(), end) + Ms{1}, Ms{1000}));
    }
    return heard().ready().has_value() && runs();
}

bool Visit::has(const char* feature) const {
    const ipc::Features& features = heard().ready()->features;
    const std::string_view name = feature;
    return name == "ping"     ? features.ping
           : name == "cancel" ? features.cancel
                              : name == "status" && features.status;
}

int Visit::slots() const {
    return plan.concurrency > 0 ? plan.concurrency : heard().ready()->concurrency;
}

void Visit::give(const std::string& job_id, const ipc::RawJson& payload) {
    if (has("status") && !heard().available())
        patient.wait([this] { return heard().available() || !runs(); }, plan.start_limit);
    ipc::Job job;
    job.job_id = job_id;
    const auto& types = heard().ready()->job_types;
    job.job_type = !plan.job_type.empty() ? plan.job_type : types.empty() ? "doctor" : types.front();
    job.timeout = plan.job_limit;
    job.work_dir = patient.work_dir(job_id);
    job.payload = payload;
    patient.send(job);
}

bool Visit::ended(const std::string& job_id) {
    const auto over = [&] { return heard().job(job_id).ends > 0 || !runs(); };
    patient.wait(over, plan.job_limit);
    return heard().job(job_id).ends > 0;
}

std::string Visit::run(const std::string& job_id, const ipc::RawJson& payload) {
    give(job_id, payload);
    if (ended(job_id)) return {};
    std::string text = "the job had no end ";
    text += runs() ? "within " + human_duration(plan.job_limit) : "before " + state();
    if (!heard().broken().empty()) text += "; a line was broken: " + heard().broken().front();
    if (!heard().foreign().empty()) text += "; there was a " + heard().foreign().front();
    if (!heard().hints().empty()) text += "; a line was no message: " + heard().hints().back();
    return text;
}

bool Visit::begin_slow(const std::string& job_id, const char* name) {
    give(job_id, *plan.slow_payload);
    const auto begun = [&] { return heard().job(job_id).first_sign.has_value() || !runs(); };
    patient.wait(begun, Ms{1000});
    patient.pause(settle);
    if (runs() && heard().job(job_id).ends == 0) return true;
    if (!runs())
        chart.fail(name, "with a slow job " + state());
    else
        chart.not_tried(name, "the job of --slow-payload had ended at once: it must take some seconds");
    return false;
}

void Visit::leave(const char* name, const std::string& how, bool code_zero) {
    patient.wait([this] { return !runs(); }, plan.leave_limit);
    if (runs())
        return chart.fail(name, "it still runs " + human_duration(plan.leave_limit) + " after " + how);
    const Exit& exit = *heard().exit();
    if (exit.left_behind > 0)
        chart.fail("left_behind",
                   std::to_string(exit.left_behind) + " process(es) of its lived on after its exit");
    else
        chart.pass("left_behind");
    if (code_zero && exit.code != 0) return chart.fail(name, state() + " after " + how);
    chart.pass(name);
}

std::string Visit::state() const {
    if (runs()) return "it still runs";
    return "it " + heard().exit()->text;
}

void Visit::close() {
    const auto judge = [&](const char* name, const std::vector<std::string>& wrong) {
        if (!wrong.empty())
            chart.fail(name, first_of(wrong));
        else if (heard().ready())
            chart.pass(name);
    };
    judge("valid", heard().broken());
    judge("prints", heard().prefixed());
    if (heard().prints() > 0)
        chart.note("prints", std::to_string(heard().prints()) + " line(s) on stdout were no messages, as " +
                                 heard().first_print());
    judge("metrics", heard().figures_wrong());
    judge("before_ready", heard().before_ready());
    if (heard().most_stderr_lines() > plan.stderr_lines_per_second)
        chart.fail("stderr", std::to_string(heard().most_stderr_lines()) +
                                 " lines within a second, the limit is " +
                                 std::to_string(plan.stderr_lines_per_second) + " (stderr_lines_per_second)");
    else if (heard().ready())
        chart.pass("stderr");
}

ipc::RawJson ordinary_payload(const Plan& plan) {
    return plan.payload.value_or(ipc::RawJson("{}"));
}

ipc::RawJson payload_with(const Plan& plan, const std::string& name, const std::string& value) {
    const std::string text = ordinary_payload(plan).text();
    const std::size_t last = text.find_last_not_of(" \t\r\n}", text.rfind('}'));
    const bool empty = last != std::string::npos && text[last] == '{' && text.find(':') == std::string::npos;
    return {text.substr(0, text.rfind('}')) + (empty ? "" : ",") + "\"" + name + "\":" + value + "}"};
}

}  // namespace emprops::doctor
