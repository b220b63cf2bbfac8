// What needs a job that takes some seconds.

#include <algorithm>

#include "ipc/text/people.h"
#include "supervisor/doctor/visit.h"

namespace emprops::doctor {
namespace {

constexpr int most_at_once = 8;

void ping_and_cancel(Patient& patient, const Plan& plan, Chart& chart) {
    Visit visit(patient, plan, chart);
    const bool begun = visit.begin();
    if (!begun) return;
    const bool cancels = visit.has("cancel");
    if (!visit.has("ping")) chart.not_tried("ping_busy", "it does not declare the feature `ping`");
    if (!cancels) chart.not_tried("cancel", "it does not declare the feature `cancel`");
    if (!visit.begin_slow("slow", visit.has("ping") ? "ping_busy" : "cancel")) {
        if (cancels) chart.not_tried("cancel", "see ping_busy");
        return visit.close();
    }
    if (visit.has("ping")) {
        patient.send(ipc::Ping{17});
        patient.wait([&] { return visit.heard().pong(17) || !visit.runs(); }, plan.ping_limit);
        if (visit.heard().pong(17))
            chart.pass("ping_busy");
        else
            chart.fail("ping_busy",
                       "no `pong` within " + human_duration(plan.ping_limit) + " while a job ran");
    }
    if (cancels && visit.heard().job("slow").ends == 0) {
        patient.send(ipc::Cancel{"slow", "the doctor cancels it"});
        patient.wait([&] { return visit.heard().job("slow").ends > 0 || !visit.runs(); }, plan.cancel_limit);
        if (!visit.runs())
            chart.fail("cancel", "at a cancel " + visit.state());
        else if (visit.heard().job("slow").ends == 0)
            chart.fail("cancel", "the job had no end within " + human_duration(plan.cancel_limit) +
                                     " after its cancel");
        else
            chart.pass("cancel");
    } else if (cancels) {
        chart.not_tried("cancel", "the job of --slow-payload had ended before: it must take longer");
    }
    visit.close();
}

void concurrency(Patient& patient, const Plan& plan, Chart& chart) {
    Visit visit(patient, plan, chart);
    if (!visit.begin()) return;
    const int count = std::min(visit.slots(), most_at_once);
    if (count < 2) return chart.not_tried("concurrency", "it takes one job at a time");
    const TimePoint from = patient.now();
    for (int n = 0; n < count; ++n)
        visit.give("slow-" + std::to_string(n), *plan.slow_payload);
    const auto count_of = [&](auto what) {
        return std::count_if(visit.heard().jobs().begin(), visit.heard().jobs().end(),
                             [&](const auto& entry) { return what(entry.second); });
    };
    const auto ends = [&] { return count_of([](const JobHeard& job) { return job.ends > 0; }); };
    const auto signs = [&] {
        return count_of([](const JobHeard& job) { return job.first_sign.has_value(); });
    };
    patient.wait([&] { return ends() > 0 || signs() == count || !visit.runs(); }, plan.job_limit);
    const bool all_began = ends() == 0 && signs() == count;
    const Ms first = between(from, patient.now());
    if (!all_began) patient.wait([&] { return ends() == count || !visit.runs(); }, plan.job_limit);
    if (!visit.runs())
        chart.fail("concurrency", "with " + std::to_string(count) + " jobs at once " + visit.state());
    else if (all_began || (ends() == count && between(from, patient.now()) < first * count * 3 / 4 + Ms{100}))
        chart.pass("concurrency");
    else
        chart.fail("concurrency", "it says that it takes " + std::to_string(visit.slots()) +
                                      " jobs at a time, but " + std::to_string(count) +
                                      " did not overlap: the first ended after " + human_duration(first));
    visit.close();
}

void drain(Patient& patient, const Plan& plan, Chart& chart) {
    Visit visit(patient, plan, chart);
    if (!visit.begin() || !visit.begin_slow("slow", "drain")) return;
    patient.send(ipc::Drain{});
    if (!visit.ended("slow"))
        chart.fail("drain", "after `drain` the running job had no end; " + visit.state());
    else if (visit.heard().job("slow").failed)
        chart.fail("drain", "after `drain` the running job failed: " +
                                visit.heard().job("slow").failed->error.message);
    else
        chart.pass("drain");
    visit.close();
}

template <class Tell>
void end_busy(Patient& patient, const Plan& plan, Chart& chart, const char* name, const char* how, bool zero,
              Tell tell) {
    Visit visit(patient, plan, chart);
    if (!visit.begin() || !visit.begin_slow("slow", name)) return;
    tell();
    visit.leave(name, std::string(how) + " while a job ran", zero);
    visit.close();
}

}  // namespace

void examine_slow_jobs(Patient& patient, const Plan& plan, Chart& chart) {
    static constexpr const char* names[] = {
        "ping_busy", "cancel", "concurrency", "drain", "shutdown_busy", "end_of_stdin_busy", "term_busy"};
    if (!plan.slow_payload) {
        for (const char* name : names)
            chart.not_tried(name, "it needs --slow-payload: a job that takes some seconds");
        return;
    }
    ping_and_cancel(patient, plan, chart);
    concurrency(patient, plan, chart);
    drain(patient, plan, chart);
    end_busy(patient, plan, chart, "shutdown_busy", "`shutdown` and the end of stdin", true, [&] {
        patient.send(ipc::Drain{});
        patient.send(ipc::Shutdown{plan.leave_limit});
        patient.close_stdin();
    });
    end_busy(patient, plan, chart, "end_of_stdin_busy", "the end of its stdin", false,
             [&] { patient.close_stdin(); });
    end_busy(patient, plan, chart, "term_busy", "SIGTERM", false, [&] { patient.terminate(); });
}

Chart examine(Patient& patient, const Plan& plan) {
    Chart chart;
    examine_handshake(patient, plan, chart);
    if (chart.failed("start") || chart.failed("ready") || plan.level == Level::handshake) return chart;
    examine_jobs(patient, plan, chart);
    if (chart.failed("job") || plan.level == Level::jobs) return chart;
    examine_large_jobs(patient, plan, chart);
    examine_slow_jobs(patient, plan, chart);
    return chart;
}

int Plan::jobs() const {
    if (level == Level::handshake) return 0;
    if (level == Level::jobs) return 4;
    return 8 + (slow_payload ? 5 + most_at_once : 0);
}

}  // namespace emprops::doctor
