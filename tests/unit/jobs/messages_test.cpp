// What connectors say of their jobs, and whose fault the end of a service is, one rule at a time.

#include "rules_bench.h"

namespace emprops::jobs::test {
namespace {

struct Listener : Bench {
    CapacityTeller capacity{records};
    Placing placing{records, 30s};
    Ending ending{records, placing, capacity};
    Collecting collecting{records, placing, ending};
    Messages messages{records, placing, ending, collecting};
    ServiceFaults faults{records, ending};
    Instance& a = ready("a", 3);
};

TEST(Messages, AResultEndsTheJobOfItsSender) {
    Listener it;
    it.run("j1", it.a);
    it.messages.result(it.now, it.a.id, {"j1", {R"({"ok":1})"}});
    EXPECT_EQ(it.events(), Lines({"finished j1 completed", "ended j1 at a"}));
    it.messages.result(it.now, it.a.id, {"j1", {R"({"ok":1})"}});
    EXPECT_EQ(it.events(), Lines());
    EXPECT_EQ(it.records.stats.ignored, 1u);
    EXPECT_EQ(it.notes.back(), "a sent a result for a job it does not hold; ignored");
}

TEST(Messages, ASignOfLifeEndsWaitingAndDropsThePayloadOfWhatIsNeverGivenAgain) {
    Listener it;
    const ActiveJob& job = it.run("j1", it.a);
    it.a.refused(it.now, 0, "job j0");
    it.messages.accepted(it.now + 1s, it.a.id, {"j1"});
    EXPECT_TRUE(job.run.started);
    EXPECT_FALSE(it.a.refusals.one_at_a_time());
    EXPECT_EQ(job.assignment.payload.text(), ipc::RawJson{}.text());
    Instance& resumes = it.ready("b", 1, {.resume = true});
    const ActiveJob& kept = it.run("j2", resumes);
    it.messages.accepted(it.now, resumes.id, {"j2"});
    EXPECT_EQ(kept.assignment.payload.text(), R"({"n":1})");
}

TEST(Messages, ProgressIsReportedWhileTheJobIsOurs) {
    Listener it;
    const ActiveJob& job = it.run("j1", it.a);
    ipc::Progress progress;
    progress.job_id = "j1";
    progress.progress = 40;
    it.messages.progress(it.now, it.a.id, progress);
    it.messages.service_request(it.a.id, {"j1", "s", "t", {}});
    EXPECT_EQ(it.events(), Lines({"progress j1 40", "service request j1"}));
    EXPECT_EQ(job.run.progress.progress, 40);
    it.records.book.stop(job, Ending::Cause::cancelled, std::nullopt, false);
    it.messages.progress(it.now, it.a.id, progress);
    it.messages.service_request(it.a.id, {"j1", "s", "t", {}});
    EXPECT_EQ(it.events(), Lines());
}

TEST(Messages, NotStartedHandsTheJobBackAndTeachesTheSlots) {
    Listener it;
    it.run("j1", it.a);
    const ActiveJob& job = it.run("j2", it.a);
    it.messages.failed(it.now, it.a.id, {"j2", {ipc::code::not_started, "one at a time", true, {}}});
    EXPECT_EQ(it.events(), Lines({"ended j2 at a"}));
    EXPECT_EQ(job.state, JobState::held);
    EXPECT_EQ(job.waiting.last_words, "one at a time");
    EXPECT_EQ(it.a.slots(), 1);
    EXPECT_EQ(it.a.held, 1);
    EXPECT_EQ(it.records.history.begin_attempt("j2"), 1) << "it cost the job nothing";
    it.messages.failed(it.now, it.a.id, {"j1", {"out_of_memory", "x", true, {}}});
    EXPECT_EQ(it.events(), Lines({"finished j1 out_of_memory", "ended j1 at a"}));
}

TEST(Messages, ABrokenLineFreesTheSlotAndItsAnswerIsHeardByNobody) {
    Listener it;
    it.run("j1", it.a);
    it.messages.protocol_error(it.now, it.a.id, std::nullopt, ipc::code::protocol_error, "NaN");
    EXPECT_EQ(it.events(), Lines({"finished j1 protocol_error", "cancel j1 at a", "unanswered j1 at a"}));
    EXPECT_EQ(it.a.held, 0);
    EXPECT_TRUE(it.records.holds(it.a.id, "j1"));
    it.messages.accepted(it.now, it.a.id, {"j1"});
    EXPECT_EQ(it.records.stats.ignored, 0u) << "of a run that is over it may say what it likes";
    it.messages.result(it.now, it.a.id, {"j1", {"{}"}});
    EXPECT_EQ(it.events(), Lines({"ended j1 at a"}));
    EXPECT_FALSE(it.records.holds(it.a.id, "j1"));
    it.run("j2", it.a);
    it.run("j3", it.a);
    it.messages.protocol_error(it.now, it.a.id, std::nullopt, ipc::code::protocol_error, "half a line");
    EXPECT_EQ(it.events(), Lines()) << "it could be either";
}

TEST(Messages, WhatCouldNotBeGivenWaitsAndItsInstanceRests) {
    Listener it;
    const ActiveJob& job = it.run("j1", it.a);
    it.messages.not_given(it.now, it.a.id, "j1", "");
    EXPECT_EQ(job.state, JobState::held);
    EXPECT_EQ(it.a.paused_until, it.now + 250ms);
    Instance& b = it.ready("b");
    it.run("j2", b);
    it.messages.not_given(it.now, b.id, "j2", "disk full");
    EXPECT_EQ(b.paused_until, it.now + 2s);
    EXPECT_EQ(b.refusal(it.now), "b cannot be given jobs: disk full");
    const ActiveJob& cancelled = it.run("j3", b);
    it.records.book.stop(cancelled, Ending::Cause::cancelled, std::nullopt, false);
    it.events();
    it.messages.not_given(it.now, b.id, "j3", "");
    EXPECT_EQ(it.records.book.find(it.number), nullptr) << "it was cancelled meanwhile";
}

// ---- ServiceFaults

process::DeathReport service_death(std::vector<std::string> held) {
    process::DeathReport report;
    report.exit_code = 3;
    report.was_ready = true;
    report.jobs_held = std::move(held);
    return report;
}

TEST(ServiceFaults, TheJobThatEndsItTwiceIsPoison) {
    Listener it;
    it.run("j1", it.a);
    it.faults.service_gone(it.now, "a", 0, service_death({"j1"}));
    EXPECT_EQ(it.events(), Lines({"judge a job"}));
    it.faults.service_gone(it.now, "a", 0, service_death({"j1"}));
    EXPECT_EQ(it.events().back(), "finished j1 poison");
}

TEST(ServiceFaults, TwoJobsAccuseTheMachineAndAreForgiven) {
    Listener it;
    it.run("j1", it.a);
    it.faults.service_gone(it.now, "a", 0, service_death({"j1"}));
    it.run("j2", it.a);
    it.records.blame.sent({"a", 0, true}, "j2");
    it.faults.service_gone(it.now, "a", 0, service_death({"j1", "j2"}));
    const Lines events = it.events();
    EXPECT_EQ(std::count(events.begin(), events.end(), "judge a machine"), 1);
    EXPECT_EQ(std::count(events.begin(), events.end(), "finished j1 service_unavailable"), 1);
    EXPECT_EQ(it.records.history.poisoned(), 0u);
}

TEST(ServiceFaults, OfSeveralUnknownOnesTheOldestStaysAlone) {
    Listener it;
    const ActiveJob& oldest = it.run("j1", it.a);
    it.run("j2", it.a);
    it.faults.service_gone(it.now, "a", 0, service_death({"j2", "j1"}));
    EXPECT_EQ(it.events(), Lines({"cancel j2 at a", "types t free", "finished j2 service_unavailable"}));
    EXPECT_EQ(oldest.state, JobState::running);
    EXPECT_TRUE(it.a.alone);
}

TEST(ServiceFaults, APlannedEndIsNobodysFault) {
    Listener it;
    it.run("j1", it.a);
    process::DeathReport report = service_death({"j1"});
    report.stopped_for = process::StopReason::recycle;
    it.faults.service_gone(it.now, "a", 0, report);
    EXPECT_EQ(it.events(), Lines());
}

}  // namespace
}  // namespace emprops::jobs::test
