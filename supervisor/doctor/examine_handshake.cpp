// From the start to `ready`, and how an idle connector leaves.

#include "ipc/codec.h"
#include "ipc/text/people.h"
#include "supervisor/doctor/visit.h"

namespace emprops::doctor {
namespace {

/// That a number of JavaScript holds.
constexpr std::uint64_t largest_exact = 9007199254740991;

/// Why there was no `ready`, as far as it can be seen.
std::string diagnosis(Visit& visit) {
    const Heard& heard = visit.heard();
    if (heard.init_failed()) return "it said `init_failed`: " + heard.init_failed()->message;
    const auto seen = [&]() -> std::string {
        if (!heard.prefixed().empty()) return heard.prefixed().front() + "; such a message does not count";
        if (!heard.broken().empty()) return heard.broken().front();
        if (!heard.hints().empty()) return "a line is no message: " + heard.hints().front();
        if (heard.prints() > 0) return "its stdout has text only, as " + heard.first_print();
        return {};
    };
    if (!visit.runs()) return visit.state() + (seen().empty() ? "" : "; " + seen());
    const std::string before = "no `ready` within " + human_duration(visit.plan.start_limit);
    if (const std::string text = seen(); !text.empty()) return before + ": " + text;
    visit.patient.close_stdin();
    visit.patient.wait([&] { return heard.ready() || !visit.runs(); }, Ms{3000});
    visit.patient.pause(settle);
    if (heard.ready())
        return before +
               "; it came when stdin was closed: the line was written, and not flushed (Python: print(..., "
               "flush=True); C: fflush(stdout))";
    if (const std::string text = seen(); !text.empty()) return before + "; when stdin was closed: " + text;
    return before + ", and nothing on stdout";
}

void judge_ready(Visit& visit) {
    const ipc::Ready& ready = *visit.heard().ready();
    if (!ready.unknown_features.empty())
        visit.chart.fail("ready_words",
                         "the feature \"" + ready.unknown_features.front() + "\" is not known");
    else if (ready.job_types.empty() && !visit.plan.types_configured)
        visit.chart.fail("ready_words", "no job type is named, nor configured");
    else if (ready.protocol != ipc::protocol_version)
        visit.chart.fail("ready_words", "it speaks protocol " + std::to_string(ready.protocol));
    else
        visit.chart.pass("ready_words");
}

void ping(Visit& visit) {
    if (!visit.has("ping")) return visit.chart.not_tried("ping", "it does not declare the feature `ping`");
    visit.patient.send(ipc::Ping{largest_exact});
    const auto answered = [&] { return visit.heard().pong(largest_exact) || !visit.runs(); };
    visit.patient.wait(answered, visit.plan.ping_limit);
    if (visit.heard().pong(largest_exact))
        visit.chart.pass("ping");
    else
        visit.chart.fail("ping", "no `pong` with the id " + std::to_string(largest_exact) + " within " +
                                     human_duration(visit.plan.ping_limit) + "; " + visit.state());
}

void first_visit(Patient& patient, const Plan& plan, Chart& chart) {
    Visit visit(patient, plan, chart);
    if (const auto started = patient.start(); !started) return chart.fail("start", started.error().message);
    chart.pass("start");
    patient.send(patient.hello());
    if (!visit.wait_ready()) {
        chart.fail("ready", diagnosis(visit));
        return visit.close();
    }
    chart.pass("ready");
    judge_ready(visit);
    ping(visit);
    patient.send(ipc::Cancel{"a job that it was not given", "the doctor tries it"});
    patient.pause(settle);
    if (!visit.runs())
        chart.fail("cancel_unknown", visit.state());
    else if (!visit.heard().foreign().empty())
        chart.fail("cancel_unknown", "it said a " + visit.heard().foreign().front());
    else
        chart.pass("cancel_unknown");
    if (visit.runs()) {
        patient.send(ipc::Drain{});
        patient.send(ipc::Shutdown{plan.leave_limit});
        patient.close_stdin();
        visit.leave("shutdown", "`shutdown` and the end of stdin", true);
    }
    visit.close();
}

/// Types and fields of a later version, around `hello` and after `ready`.
void later_version(Patient& patient, const Plan& plan, Chart& chart) {
    Visit visit(patient, plan, chart);
    if (!patient.start()) return;
    std::string hello = ipc::encode(patient.hello());
    hello.insert(hello.rfind('}'), ",\"x_later\":[{\"type\":\"job\"},null,1.5]");
    patient.send_text("{\"type\":\"x_weather\",\"sky\":{\"job_id\":\"none\"}}\n" + hello);
    if (visit.wait_ready()) {
        patient.send_text("{\"type\":\"x_weather\",\"wind\":[1,2,3]}\n");
        patient.pause(settle);
    }
    if (visit.heard().ready() && visit.runs())
        chart.pass("unknown");
    else
        chart.fail("unknown",
                   "with an unknown message and field around `hello` it does not work: " + visit.state());
    visit.close();
}

void foreign_version(Patient& patient, const Plan& plan, Chart& chart) {
    Visit visit(patient, plan, chart);
    if (!patient.start()) return;
    ipc::Hello hello = patient.hello();
    hello.protocol_versions = {99};
    patient.send(hello);
    visit.wait_ready();
    if (visit.heard().ready() && visit.heard().ready()->protocol == 99)
        return chart.fail("version",
                          "it says that it speaks version 99, which it was offered and cannot know");
    if (!visit.heard().ready() && !visit.heard().init_failed() && visit.runs())
        return chart.fail("version", "offered version 99 alone, it says nothing");
    if (visit.runs()) {
        patient.send(ipc::Shutdown{plan.leave_limit});
        patient.close_stdin();
        patient.wait([&] { return !visit.runs(); }, plan.leave_limit);
    }
    if (visit.runs())
        return chart.fail("version", "offered version 99 alone, it does not leave at `shutdown`");
    chart.pass("version");
}

void idle_ends(Patient& patient, const Plan& plan, Chart& chart) {
    Visit visit(patient, plan, chart);
    if (visit.begin()) {
        patient.close_stdin();
        visit.leave("end_of_stdin", "the end of its stdin", false);
        visit.close();
    }
    if (visit.begin()) {
        patient.terminate();
        visit.leave("term", "SIGTERM", false);
        visit.close();
    }
}

}  // namespace

void examine_handshake(Patient& patient, const Plan& plan, Chart& chart) {
    first_visit(patient, plan, chart);
    if (chart.failed("start") || chart.failed("ready")) return;
    later_version(patient, plan, chart);
    foreign_version(patient, plan, chart);
    idle_ends(patient, plan, chart);
}

}  // namespace emprops::doctor
