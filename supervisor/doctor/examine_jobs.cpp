// Ordinary jobs one after the other, and large ones.

#include <cmath>

#include "ipc/text/people.h"
#include "supervisor/doctor/visit.h"
#include "supervisor/process/complaints.h"

namespace emprops::doctor {
namespace {

/// Quotes, a path, a line break, what HTML and shells dislike, an emoji, and what is text in every language.
constexpr const char* hostile_id =
    "../\"job_id\":\"x\",\\ </x>\n\t$(id) '%s' \xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80";

/// What the jobs so far say of progress, files and prints.
void judge_jobs(Visit& visit) {
    Chart& chart = visit.chart;
    chart.pass("one_end");
    chart.pass("progress");
    chart.pass("files");
    chart.pass("work_dir");
    for (const auto& [job_id, job] : visit.heard().jobs()) {
        if (job.after_end > 0)
            chart.fail("one_end", job.ends > 1 ? std::to_string(job.ends) + " ends of one job"
                                               : "it said something of a job behind its end");
        if (!job.strange_progress.empty()) chart.fail("progress", "`progress` was " + job.strange_progress);
        if (job.fractions && job.most <= 1) chart.fail("progress", process::fraction_as_progress);
        if (!job.result) continue;
        const std::string folder = visit.patient.work_dir(job_id);
        if (const std::string wrong = visit.patient.wrong_files(folder, *job.result); !wrong.empty())
            chart.fail("files", wrong);
        if (job.result->result.text().find(folder) != std::string::npos)
            chart.fail("work_dir", process::result_in_work_dir(folder));
    }
    const auto heir = [&](const char* name, int descriptor, const char* what) {
        const std::string program = visit.patient.heir(descriptor);
        if (program.empty())
            chart.pass(name);
        else
            chart.fail(name, program + " has its " + what);
    };
    heir("child_stdin", 0, "stdin");
    heir("child_stdout", 1, "stdout");
}

void judge_end(Visit& visit, const char* name, const std::string& job_id, bool result) {
    const JobHeard& job = visit.heard().job(job_id);
    if (result && job.failed)
        visit.chart.fail(name, "the job of --payload failed: " + job.failed->error.code + ": " +
                                   job.failed->error.message);
    else
        visit.chart.pass(name);
    if (job.failed && job.failed->error.code == ipc::code::not_started)
        visit.chart.fail("refusal", "it refused a job (`not_started`) while it held no other");
    else
        visit.chart.pass("refusal");
}

void one_after_the_other(Patient& patient, const Plan& plan, Chart& chart) {
    Visit visit(patient, plan, chart);
    if (!visit.begin()) return;
    const bool result = plan.payload.has_value();
    const auto try_job = [&](const char* name, const std::string& job_id, const ipc::RawJson& payload,
                             bool must) {
        if (const std::string wrong = visit.run(job_id, payload); !wrong.empty()) {
            chart.fail(name, wrong);
            return false;
        }
        patient.pause(settle);
        judge_end(visit, name, job_id, must);
        return true;
    };
    if (try_job("job", "doctor-1", ordinary_payload(plan), result) &&
        try_job("job_id", hostile_id, ordinary_payload(plan), false)) {
        const std::string odd = R"([null,{"":[[[[{}]]]]},-0.0,1e308,"\u0000\ud83d\ude00",""])";
        if (try_job("bad_payload", "doctor-3", {"{\"x_doctor\":" + odd + ",\"\":" + odd + "}"}, false)) {
            if (!visit.runs())
                chart.fail("bad_payload", "after a job with a strange payload " + visit.state());
            else if (const std::string wrong = visit.run("doctor-4", ordinary_payload(plan)); !wrong.empty())
                chart.fail("bad_payload", "after a job with a strange payload " + wrong);
        }
    }
    judge_jobs(visit);
    visit.close();
}

/// The number stands in the result, and as it was sent.
void judge_number(Visit& visit, const std::string& job_id) {
    const JobHeard& job = visit.heard().job(job_id);
    visit.chart.pass("numbers");
    if (!job.result) return;
    const std::string& text = job.result->result.text();
    if (text.find("x_doctor_number") != std::string::npos &&
        text.find("18446744073709551615") == std::string::npos)
        visit.chart.note("numbers", "18446744073709551615 came back as another number");
}

void split(Visit& visit) {
    const std::string job_id = "doctor-split";
    ipc::Job job;
    job.job_id = job_id;
    const auto& types = visit.heard().ready()->job_types;
    job.job_type = !visit.plan.job_type.empty() ? visit.plan.job_type
                   : types.empty()              ? "doctor"
                                                : types.front();
    job.work_dir = visit.patient.work_dir(job_id);
    job.payload = payload_with(visit.plan, "x_doctor_text", "\"\xf0\x9f\x98\x80\"");
    const std::string line = ipc::encode(ipc::ToConnector(job));
    const std::size_t middle = line.find("\xf0\x9f\x98\x80") + 2;
    visit.patient.send_text(line.substr(0, middle), job_id);
    visit.patient.pause(settle);
    visit.patient.send_text(line.substr(middle));
    if (visit.ended(job_id))
        visit.chart.pass("split_utf8");
    else
        visit.chart.fail(
            "split_utf8",
            "a job whose line came in two pieces, cut within a character, had no end; " + visit.state());
}

}  // namespace

void examine_jobs(Patient& patient, const Plan& plan, Chart& chart) {
    one_after_the_other(patient, plan, chart);
}

void examine_large_jobs(Patient& patient, const Plan& plan, Chart& chart) {
    Visit visit(patient, plan, chart);
    if (!visit.begin()) return;
    split(visit);
    if (visit.runs() &&
        visit.run("doctor-number", payload_with(plan, "x_doctor_number", "18446744073709551615")).empty())
        judge_number(visit, "doctor-number");
    for (const std::size_t mib : {std::size_t{1}, std::size_t{8}}) {
        if (!visit.runs() && !visit.begin()) break;
        const char* name = mib == 1 ? "payload_1mb" : "payload_8mb";
        const std::string filler = "\"" + std::string(mib << 20, 'x') + "\"";
        const std::string wrong = visit.run(name, payload_with(plan, "x_doctor_filler", filler));
        if (wrong.empty())
            chart.pass(name);
        else
            chart.fail(name, wrong);
    }
    visit.close();
}

}  // namespace emprops::doctor
