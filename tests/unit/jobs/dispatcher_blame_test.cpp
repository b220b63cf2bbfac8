// What follows from the end of a companion service: poison, an accused machine, jobs that run one at a time,
// and slots that no job keeps for a service that stays away.

#include <gmock/gmock.h>

#include "dispatcher_desk.h"

namespace emprops::jobs::test {
namespace {

using process::StopReason;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

struct BlameDesk : Desk {
    void sent(const process::InstanceId& at, const std::string& job_id) {
        dispatcher.service_request(now, at, {job_id, "svc", "prompt", ipc::Json::object()});
        collect();
    }
    void begun(const process::InstanceId& at, const std::string& job_id) {
        dispatcher.accepted(now, at, {job_id});
        collect();
    }
    void service_dies(std::vector<std::string> held, std::optional<StopReason> stopped_for = {},
                      Ms ready_for = 5s) {
        process::DeathReport report;
        report.exit_code = 3;
        report.pid = 77;
        report.was_ready = true;
        report.ready_for = ready_for;
        report.stopped_for = stopped_for;
        report.jobs_held = std::move(held);
        report.stderr_tail = {"node 7", "out of luck"};
        dispatcher.service_gone(now, "a", 0, report);
        collect();
    }
    void away(const process::InstanceId& at, std::optional<Ms> time) {
        process::InstanceInfo info;
        info.job_types = {"t"};
        info.concurrency = 2;
        info.features = {.cancel = true};
        info.available = !time;
        info.unavailable_reason = time ? "its service is tried again in 5 min only" : "";
        if (time) info.service_back_at = now + *time;
        dispatcher.instance_changed(now, at, info);
        collect();
    }
};

TEST(ServiceBlame, TheJobThatEndsItTwiceIsPoisonAndDoesNotCountInTheBreaker) {
    BlameDesk desk;
    const auto a = desk.ready("a", {"t"}, 1);
    desk.assign("bad");
    desk.forget();
    desk.service_dies({"bad"});
    EXPECT_EQ(desk.events(), Lines({"judge a job"})) << "its connector decides about it";
    desk.service_dies({"bad"});
    EXPECT_EQ(desk.events(), Lines({"judge a job", "cancel bad at a", "finished bad poison"}));
    EXPECT_FALSE(desk.last_error().retryable);
    EXPECT_THAT(desk.last_error().message, HasSubstr("this job has ended the service of a twice"));
    EXPECT_THAT(desk.last_error().message, HasSubstr("exited with code 3"));
    EXPECT_THAT(desk.last_error().message, HasSubstr("out of luck"));
    desk.fails(a, "bad", ipc::code::cancelled);
    desk.forget();
    desk.assign("innocent");
    EXPECT_THAT(desk.events(), Contains("give innocent to a attempt 1"));
    desk.result(a, "innocent");
    desk.forget();
    desk.assign("bad");
    EXPECT_THAT(desk.events(), Contains("finished bad poison")) << "also later";
}

TEST(ServiceBlame, DeathsThatAreNobodysFaultCountForNothing) {
    for (const auto reason : {StopReason::hung, StopReason::asked, StopReason::start_timeout,
                              StopReason::recycle, StopReason::requested}) {
        BlameDesk desk;
        desk.ready("a", {"t"}, 1);
        desk.assign("j");
        desk.forget();
        for (int i = 0; i < 3; ++i)
            desk.service_dies({"j"}, reason);
        EXPECT_EQ(desk.events(), Lines());
    }
    BlameDesk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("other");
    desk.sent(a, "other");
    desk.result(a, "other");
    desk.assign("j");
    desk.forget();
    for (int i = 0; i < 3; ++i)
        desk.service_dies({"j"});
    EXPECT_EQ(desk.events(), Lines()) << "it was not sent yet";
}

TEST(ServiceBlame, WithPoisonSwitchedOffTheBreakerStaysAsItWas) {
    BlameDesk desk;
    desk.policy.poison_deaths = 0;
    desk.ready("a", {"t"}, 1);
    desk.assign("j");
    desk.forget();
    for (int i = 0; i < 9; ++i)
        desk.service_dies({"j"});
    EXPECT_EQ(desk.events(), Lines());
}

TEST(ServiceBlame, TwoDifferentJobsAccuseTheMachineAndBothGoBack) {
    BlameDesk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.assign("j2");
    for (const char* id : {"j1", "j2"})
        desk.sent(a, id);
    desk.begun(a, "j1");
    desk.service_dies({"j1", "j2"});
    for (const char* id : {"j1", "j2"})
        desk.sent(a, id);
    desk.begun(a, "j2");
    desk.forget();
    desk.service_dies({"j1", "j2"});
    EXPECT_EQ(desk.events(), Lines({"judge a machine", "cancel j1 at a", "finished j1 service_unavailable",
                                    "cancel j2 at a", "finished j2 service_unavailable"}));
    EXPECT_TRUE(desk.last_error().retryable);
    EXPECT_THAT(desk.last_error().message, HasSubstr("the jobs j1 and j2 ended it one after the other"));
    EXPECT_EQ(desk.dispatcher.stats().poisoned_jobs, 0u);
    // On the trial the first one again: still the machine, however often.
    desk.fails(a, "j1");
    desk.fails(a, "j2");
    desk.assign("j1");
    desk.sent(a, "j1");
    desk.forget();
    desk.service_dies({"j1"});
    EXPECT_EQ(desk.events().front(), "judge a machine");
    // After a trial that stayed up the count begins anew.
    desk.fails(a, "j1");
    desk.assign("j1");
    desk.sent(a, "j1");
    desk.forget();
    desk.service_dies({"j1"}, {}, 60s);
    EXPECT_EQ(desk.events().front(), "judge a job");
}

TEST(ServiceBlame, ASuccessBetweenClearsTheMachine) {
    BlameDesk desk;
    const auto a = desk.ready("a", {"t"}, 1);
    desk.assign("j1");
    desk.service_dies({"j1"});
    desk.fails(a, "j1");
    desk.assign("good");
    desk.result(a, "good");
    desk.assign("j2");
    desk.forget();
    desk.service_dies({"j2"});
    EXPECT_EQ(desk.events(), Lines({"judge a job"}));
}

TEST(ServiceBlame, ADeathThatIsToldAfterItsJobFailedCounts) {
    BlameDesk desk;
    const auto a = desk.ready("a", {"t"}, 1);
    for (int run = 0; run < 2; ++run) {
        desk.assign("bad");
        desk.sent(a, "bad");
        desk.fails(a, "bad", ipc::code::lost);
        desk.forget();
        desk.service_dies({"bad"});
        EXPECT_EQ(desk.events(), Lines({"judge a job"}));
    }
    desk.assign("bad");
    EXPECT_THAT(desk.events(), Contains("finished bad poison"));
}

TEST(ServiceBlame, OfSeveralUnknownOnesTheOldestStaysAndTheyRunOneAtATime) {
    BlameDesk desk;
    const auto a = desk.ready("a", {"t"}, 3);
    desk.assign("j1");
    desk.assign("j2");
    desk.forget();
    desk.service_dies({"j2", "j1"});
    EXPECT_EQ(desk.events(), Lines({"cancel j2 at a", "types t free", "finished j2 service_unavailable"}));
    EXPECT_TRUE(desk.last_error().retryable);
    EXPECT_THAT(desk.last_error().message, HasSubstr("they run one at a time next"));
    desk.fails(a, "j2", ipc::code::cancelled);
    EXPECT_FALSE(desk.dispatcher.reserve(desk.now, "j2", "t"));
    EXPECT_FALSE(desk.dispatcher.reserve(desk.now, "new", "t")) << "the first one is alone there";
    desk.service_dies({"j1"});
    EXPECT_THAT(desk.events(), Contains("judge a job")) << "now it is known";
    desk.result(a, "j1");
    EXPECT_TRUE(desk.dispatcher.reserve(desk.now, "j2", "t"));
    desk.assign("j2");
    EXPECT_FALSE(desk.dispatcher.reserve(desk.now, "new", "t"));
    desk.result(a, "j2");
    EXPECT_TRUE(desk.dispatcher.reserve(desk.now, "new", "t"));
    EXPECT_TRUE(desk.dispatcher.reserve(desk.now, "new2", "t"));
}

TEST(ServiceBlame, AConnectorThatDiesWithSeveralJobsBlamesNone) {
    BlameDesk desk;
    desk.policy.poison_deaths = 1;
    const auto first = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.assign("j2");
    desk.dies(first);
    EXPECT_EQ(desk.last_error().code, "crashed");
    EXPECT_EQ(desk.dispatcher.stats().poisoned_jobs, 0u);
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.assign("j2");
    EXPECT_EQ(desk.dispatcher.jobs().at(1).state, JobState::held) << "one at a time";
    desk.result(a, "j1");
    desk.result(a, "j2");
    EXPECT_EQ(desk.dispatcher.stats().completed, 2u);
}

TEST(ServiceBlame, TwoJobsThatEndTheirConnectorOneAfterTheOtherAccuseItsMachine) {
    BlameDesk desk;
    for (const char* job : {"j1", "j2", "j1", "j2"}) {
        const auto a = desk.ready("a", {"t"});
        desk.assign(job);
        desk.dies(a);
        EXPECT_EQ(desk.last_error().code, "crashed") << job;
    }
    EXPECT_EQ(desk.dispatcher.stats().poisoned_jobs, 0u);
}

TEST(ServiceAway, ForMinutesItsJobsGoBackAtOnceWithTheReason) {
    BlameDesk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.assign("j2");
    desk.forget();
    desk.away(a, 5min);
    EXPECT_EQ(desk.events(), Lines({"types free"}));
    desk.pass(1s);
    EXPECT_EQ(desk.events(), Lines({"cancel j1 at a", "finished j1 service_unavailable", "cancel j2 at a",
                                    "finished j2 service_unavailable"}));
    EXPECT_TRUE(desk.last_error().retryable);
    EXPECT_THAT(desk.last_error().message, HasSubstr("its service is tried again in 5 min only"));
}

TEST(ServiceAway, ForSecondsTheyStay) {
    BlameDesk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.away(a, 20s);
    desk.forget();
    desk.pass(10s);
    desk.away(a, std::nullopt);
    desk.pass(10s);
    EXPECT_THAT(desk.events(), Not(Contains("cancel j1 at a")));
}

TEST(ServiceAway, AVerdictThatComesAMomentLaterKeepsThem) {
    BlameDesk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.away(a, 5min);  // the breaker opened at the death
    desk.away(a, 1s);    // and closed again: the death was a job's
    desk.forget();
    desk.pass(2s);
    EXPECT_EQ(desk.events(), Lines());
}

}  // namespace
}  // namespace emprops::jobs::test
