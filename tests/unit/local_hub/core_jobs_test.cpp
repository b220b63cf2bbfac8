#include <gmock/gmock.h>

#include "tests/unit/local_hub/bench.h"

namespace emprops::local_hub {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr ConnectionId client = 9, monitor = 8;

class CoreJobs : public CoreBench {
  protected:
    /// A job "j" that runs on w1, submitted by a connected client.
    void running() {
        connect(client, Role::client, "c");
        worker(w1, "w1");
        say(client,
            {{"type", "submit_job"}, {"message_id", "j"}, {"job_type", "sim"}, {"payload", {{"a", 1}}}});
        run(w1, "j");
        said(client);
        said(w1);
    }
};

TEST_F(CoreJobs, AJobGoesFromSubmitToResultWithTheHubsMessages) {
    connect(client, Role::client, "c");
    worker(w1, "w1");
    say(client, {{"type", "submit_job"}, {"message_id", "j"}, {"job_type", "sim"}, {"priority", 3}});
    claim(w1, "j");
    progress(w1, "j", 50);
    complete(w1, "j", {{"done", true}});
    EXPECT_EQ(types_said(w1), (std::vector<std::string>{"connection_established", "worker_registered",
                                                        "job_notifications_subscribed", "job_available",
                                                        "job_assigned", "job_completed_ack"}));
    EXPECT_EQ(types_said(client),
              (std::vector<std::string>{"connection_established", "job_accepted", "response_job_status",
                                        "update_job_progress", "complete_job"}));
    EXPECT_EQ(state("j"), JobStatus::completed);
    EXPECT_EQ(finished_, std::vector<std::string>{"j"});
}

TEST_F(CoreJobs, PayloadAndResultKeepTheirBytes) {
    const std::string payload = R"({ "b":1.10, "a":1e5,"s":18446744073709551616 })";
    Actions actions;
    hub::SubmitJob submitted;
    submitted.job_id = "j";
    submitted.job_type = "sim";
    submitted.payload = payload;
    ASSERT_TRUE(core_->submit(submitted, "c", now(), actions).ok());
    connect(w1, Role::worker, "w1");
    const auto offers = core_->received(
        w1, R"({"type":"register_worker","capabilities":{"supported_job_types":["sim"]}})", now());
    EXPECT_THAT(std::get<SendTo>(offers.back()).frames[0],
                HasSubstr("\"job_request_payload\":" + payload + "}"));
    const auto assigned = core_->received(w1, R"({"type":"claim_job","job_id":"j"})", now());
    EXPECT_THAT(std::get<SendTo>(assigned[0]).frames[0], HasSubstr("\"params\":" + payload + "}"));
    say_text(w1, R"({"type":"complete_job","job_id":"j","result":)" + payload + "}");
    EXPECT_EQ(core_->view("j").value()->stored.result, payload);
}

TEST_F(CoreJobs, AJobIdIsNeverTakenTwice) {
    connect(client, Role::client, "c");
    const Json message{{"type", "submit_job"}, {"message_id", "j"}, {"job_type", "sim"}};
    say(client, message);
    EXPECT_EQ(last(client)["type"], "job_accepted");
    say(client, message);
    EXPECT_EQ(last(client)["error"], "Job j already exists");
    worker(w1, "w1");
    run(w1, "j");
    complete(w1, "j");
    say(client, message);
    EXPECT_EQ(last(client)["error"], "Job j already exists");
}

TEST_F(CoreJobs, PositionsCountThePendingJobsOfTheSameType) {
    connect(client, Role::client, "c");
    const auto position = [&](const char* type, int priority) {
        say(client, {{"type", "submit_job"}, {"job_type", type}, {"priority", priority}});
        return last(client)["position"].get<int>();
    };
    EXPECT_EQ(position("a", 0), 1);
    EXPECT_EQ(position("a", 0), 2);
    EXPECT_EQ(position("b", 0), 1);
    EXPECT_EQ(position("a", 5), 1);
    EXPECT_EQ(position("a", 1), 2);
    EXPECT_EQ(position("a", 0), 5);
}

TEST_F(CoreJobs, OnlyOneOfTwoClaimsWins) {
    worker(w1, "w1");
    worker(w2, "w2");
    submit("j");
    claim(w2, "j");  // w1 has the offer; an offer is no reservation
    EXPECT_EQ(last(w2)["type"], "job_assigned");
    claim(w1, "j");
    EXPECT_EQ(last(w1)["error"], "Failed to claim job j");
    claim(w2, "j");
    EXPECT_EQ(last(w2)["error"], "Cannot claim job j: Worker w2 is not idle");
    claim(w1, "unknown");
    EXPECT_EQ(last(w1)["error"], "Failed to claim job unknown");
}

TEST_F(CoreJobs, ASilentWorkerLosesItsJobAfterThirtySecondsAndItCounts) {
    running();
    pass(Ms(29'000));
    progress(w1, "j", -1);
    pass(Ms(29'800));
    EXPECT_EQ(state("j"), JobStatus::claimed);
    pass(Ms(200));
    EXPECT_EQ(state("j"), JobStatus::pending);
    EXPECT_EQ(job("j").attempts, 1U);
}

TEST_F(CoreJobs, ALostWorkersJobGoesBackAfterFifteenSecondsToItsOldPlace) {
    running();
    submit("later");
    disconnect(w1);
    pass(Ms(14'800));
    EXPECT_EQ(state("j"), JobStatus::claimed);
    pass(Ms(200));
    EXPECT_EQ(state("j"), JobStatus::pending);
    EXPECT_EQ(job("j").attempts, 1U);
    worker(w2, "w2");
    EXPECT_EQ(offered(w2), "j");
}

TEST_F(CoreJobs, AWorkerThatComesBackUnderAnotherIdWithProgressKeepsItsJob) {
    running();
    disconnect(w1);
    pass(Ms(10'000));
    worker(w2, "w1-new", {"sim"}, "busy");
    progress(w2, "j", 60);
    pass(Ms(20'000));
    EXPECT_EQ(state("j"), JobStatus::claimed);
    EXPECT_EQ(job("j").worker_id, "w1");  // the id of the claim: the worker asks for it
    say(client, {{"type", "cancel_job"}, {"job_id", "j"}});
    EXPECT_EQ(last(w2)["type"], "cancel_job");
}

TEST_F(CoreJobs, AResultOfALostWorkerIsTakenFromItsNewConnection) {
    running();
    disconnect(w1);
    connect(w2, Role::worker, "w1-new");
    complete(w2, "j");
    EXPECT_EQ(last(w2)["type"], "job_completed_ack");
    EXPECT_EQ(state("j"), JobStatus::completed);
}

TEST_F(CoreJobs, AnOldConnectionThatOnlyLooksAliveDoesNotKeepTheNewOneOut) {
    running();
    worker(w2, "w1-new", {"sim"}, "busy");
    pass(policy_.requeue_after);
    progress(w2, "j", 60);
    pass(Ms(20'000));
    EXPECT_EQ(state("j"), JobStatus::claimed);
    complete(w2, "j");
    EXPECT_EQ(state("j"), JobStatus::completed);
}

TEST_F(CoreJobs, AWorkerThatNamesTheClaimantMayReportAtOnce) {
    running();
    worker(w2, "w1-new", {"sim"}, "busy");
    say(w2, {{"type", "complete_job"}, {"job_id", "j"}, {"worker_id", "w1"}, {"result", {{"ok", 1}}}});
    EXPECT_EQ(state("j"), JobStatus::completed);
}

TEST_F(CoreJobs, ForeignReportsAreRefused) {
    running();
    worker(w2, "w2");
    complete(w2, "j");
    EXPECT_EQ(last(w2)["error"], "Failed to complete job j: it is claimed by worker w1");
    fail(w2, "j");
    EXPECT_EQ(last(w2)["error"], "Failed to mark job j as failed");
    progress(w2, "j", 99);
    EXPECT_EQ(job("j").progress, std::nullopt);
    EXPECT_EQ(state("j"), JobStatus::claimed);
}

TEST_F(CoreJobs, APendingJobMayBeCompletedByAnybodyButNotFailed) {
    submit("j");
    worker(w1, "w1", {"other"});
    fail(w1, "j");
    EXPECT_EQ(last(w1)["error"], "Failed to mark job j as failed");
    complete(w1, "j");
    EXPECT_EQ(state("j"), JobStatus::completed);
}

TEST_F(CoreJobs, AWorkerThatLeavesGivesItsJobsBackAtOnceWithoutCounting) {
    running();
    disconnect(w1, true);
    EXPECT_EQ(state("j"), JobStatus::pending);
    EXPECT_EQ(job("j").attempts, 0U);
    worker(w2, "w2");
    claim(w2, "j");
    status(w2, "leaving");
    EXPECT_EQ(state("j"), JobStatus::pending);
    EXPECT_EQ(job("j").attempts, 0U);
    EXPECT_EQ(offered(w2), "j");  // what it was offered before it said so
    pass(Ms(20'000));
    EXPECT_EQ(offered(w2), "");
}

TEST_F(CoreJobs, ARestartOfTheHubKeepsEverythingAndCountsNothing) {
    running();
    submit("waiting");
    restart();
    EXPECT_EQ(state("j"), JobStatus::claimed);
    worker(w2, "w2");
    EXPECT_EQ(offered(w2), "waiting");
    pass(policy_.requeue_after);
    EXPECT_EQ(state("j"), JobStatus::pending);
    EXPECT_EQ(job("j").attempts, 0U);
}

TEST_F(CoreJobs, AfterTheLastAttemptTheJobHasFailed) {
    running();
    for (int attempt = 1; attempt <= 4; ++attempt) {
        fail(w1, "j", "[crashed] boom");
        EXPECT_EQ(last(client)["type"], "fail_job");
        EXPECT_EQ(last(client)["final"], attempt == 4);
        EXPECT_EQ(job("j").attempts, static_cast<std::uint32_t>(attempt));
        if (attempt < 4) {
            status(w1, "idle");
            run(w1, "j");
        }
    }
    EXPECT_EQ(state("j"), JobStatus::failed);
    EXPECT_EQ(job("j").error, "[crashed] boom");
    fail(w1, "j");  // sent again: acknowledged, nothing changes
    EXPECT_EQ(last(w1)["type"], "job_failed_ack");
    EXPECT_EQ(job("j").attempts, 4U);
}

TEST_F(CoreJobs, AJobThatFailedWaitsLongerEachTimeForEverybody) {
    running();
    worker(w2, "w2");
    for (const Ms pause : {Ms(1000), Ms(2000), Ms(4000)}) {
        fail(w1, "j", "[service_error] HTTP 503");
        status(w1, "idle");
        pass(pause - Ms(200));
        EXPECT_EQ(offered(w1) + offered(w2), "") << pause.count();
        pass(Ms(200));
        EXPECT_EQ(offered(w2), "j") << "the last failer is passed over while there are others";
        claim(w1, "j");
    }
    EXPECT_EQ(policy_.pause_after(40), policy_.longest_retry_pause);
}

TEST_F(CoreJobs, AJobThatIsGivenBackDoesNotWait) {
    running();
    worker(w2, "w2");
    fail(w1, "j", "[drained] the worker goes away");
    EXPECT_EQ(offered(w2), "j");
}

TEST_F(CoreJobs, AForcedRetryEndsTheWait) {
    running();
    fail(w1, "j");
    status(w1, "idle");
    EXPECT_EQ(offered(w1), "");
    say(client, {{"type", "force_retry_job"}, {"job_id", "j"}});
    EXPECT_EQ(offered(w1), "j");
}

TEST_F(CoreJobs, AJobThatIsNotRetryableFailsAtOnce) {
    running();
    fail(w1, "j", "[invalid_payload] no prompt", {{"error_code", "invalid_payload"}, {"retryable", false}});
    EXPECT_EQ(last(w1)["type"], "job_failed_ack");
    EXPECT_EQ(state("j"), JobStatus::failed);
}

TEST_F(CoreJobs, ADrainedJobIsNotCountedHoweverTheCodeIsSaid) {
    running();
    for (int i = 0; i < 10; ++i) {
        if (i % 2 == 0) {
            fail(w1, "j", "[drained] the worker goes away");
        } else {
            fail(w1, "j", "given back", {{"error_code", "drained"}});
        }
        EXPECT_EQ(state("j"), JobStatus::pending);
        status(w1, "idle");
        run(w1, "j");
    }
    EXPECT_EQ(job("j").attempts, 0U);
    EXPECT_EQ(job("j").last_failer, "");
}

TEST_F(CoreJobs, AJobThatNobodyBeganIsTakenBackForNothing) {
    running();
    const Json not_begun{{"error_code", "not_started"}, {"begun", false}, {"retryable", false}};
    for (int i = 0; i < 10; ++i) {
        fail(w1, "j", "[not_started] nobody begins it", not_begun);
        EXPECT_EQ(last(w1)["type"], "job_failed_ack");
        EXPECT_EQ(state("j"), JobStatus::pending);
        EXPECT_EQ(job("j").worker_id, "");
        status(w1, "idle");
        run(w1, "j");
    }
    EXPECT_EQ(job("j").attempts, 0U);
    EXPECT_EQ(job("j").last_failer, "");
    EXPECT_FALSE(job("j").error);
    fail(w1, "j", "[not_started] begun and then not", {{"error_code", "not_started"}});
    EXPECT_EQ(job("j").attempts, 1U) << "without the mark it is a failure like any other";
}

TEST_F(CoreJobs, AJobThatNobodyBeganIsNotOfferedToTheSameWorkerAtOnce) {
    running();
    said(w1);
    fail(w1, "j", "[not_started] nobody begins it", {{"begun", false}});
    status(w1, "idle");
    pass(Ms(9000));
    EXPECT_EQ(offered(w1), "") << "no ping-pong";
    pass(Ms(2000));
    EXPECT_EQ(offered(w1), "j");
}

TEST_F(CoreJobs, AJobThatLosesItsWorkerEveryTimeIsGivenUp) {
    submit("killer");
    for (ConnectionId w = 20; w < 24; ++w) {
        worker(w, "w" + std::to_string(w));
        run(w, "killer");
        disconnect(w);
        pass(policy_.requeue_after);
    }
    EXPECT_EQ(state("killer"), JobStatus::failed);
    EXPECT_EQ(job("killer").error, "worker w23 was lost");
}

TEST_F(CoreJobs, AnEmptyResultIsRefusedAndAnObjectTakenAfterwards) {
    running();
    for (const auto* text : {"{}", "{ }", "null"}) {
        say_text(w1, std::string(R"({"type":"complete_job","job_id":"j","result":)") + text + "}");
        EXPECT_THAT(last(w1)["error"].get<std::string>(), HasSubstr("must be an object"));
    }
    say(w1, {{"type", "complete_job"}, {"job_id", "j"}});
    EXPECT_THAT(last(w1)["error"].get<std::string>(), HasSubstr("must be an object"));
    say(w1, {{"type", "complete_job"}, {"job_id", "j"}, {"result", {1, 2}}});
    EXPECT_EQ(last(w1)["error"], "Invalid message format");
    EXPECT_EQ(state("j"), JobStatus::claimed);
    complete(w1, "j");
    EXPECT_EQ(state("j"), JobStatus::completed);
}

TEST_F(CoreJobs, ACancelledJobStaysCancelled) {
    running();
    say(client, {{"type", "cancel_job"}, {"job_id", "j"}, {"reason", "no more"}});
    EXPECT_EQ(last(w1)["type"], "cancel_job");
    EXPECT_EQ(last(w1)["reason"], "no more");
    const auto told = said(client);
    ASSERT_EQ(told.size(), 1U);  // once, not twice
    EXPECT_EQ(told[0]["status"], "cancelled");
    complete(w1, "j");
    EXPECT_EQ(last(w1)["type"], "job_completed_ack");
    fail(w1, "j");
    EXPECT_EQ(last(w1)["type"], "job_failed_ack");
    EXPECT_EQ(state("j"), JobStatus::cancelled);
    say(client, {{"type", "cancel_job"}, {"job_id", "j"}});
    EXPECT_EQ(last(client)["error"],
              "Failed to cancel job j. Job may not exist or is already in a terminal state.");
    say(client, {{"type", "cancel_job"}});
    EXPECT_EQ(last(client)["error"], "Missing job_id in cancel_job request");
}

TEST_F(CoreJobs, AWorkerThatWasAwayLearnsOfTheCancelFromItsFirstProgressOnce) {
    running();
    disconnect(w1);
    say(client, {{"type", "cancel_job"}, {"job_id", "j"}});
    connect(w2, Role::worker, "w1-new");
    progress(w2, "j");
    progress(w2, "j");
    EXPECT_EQ(types_said(w2), (std::vector<std::string>{"connection_established", "cancel_job"}));
}

TEST_F(CoreJobs, ACancelledPendingJobIsOfferedNoMore) {
    connect(client, Role::client, "c");
    worker(w1, "w1");
    submit("j");
    say(client, {{"type", "cancel_job"}, {"job_id", "j"}});
    claim(w1, "j");
    EXPECT_EQ(last(w1)["error"], "Failed to claim job j");
    EXPECT_EQ(core_->pending_jobs(), 0U);
}

TEST_F(CoreJobs, ForceRetryGivesAFailedJobAllItsAttemptsAgain) {
    running();
    fail(w1, "j", "no", {{"retryable", false}});
    say(client, {{"type", "force_retry_job"}, {"job_id", "j"}});
    EXPECT_EQ(last(client)["status"], "pending");
    EXPECT_EQ(last(client)["message"], "Job failure history cleared. Job can now be assigned to any worker.");
    EXPECT_EQ(job("j").attempts, 0U);
    said(w1);
    status(w1, "idle");
    EXPECT_EQ(offered(w1), "j");
    run(w1, "j");
    complete(w1, "j");
    EXPECT_EQ(last(client)["type"], "complete_job");
    say(client, {{"type", "force_retry_job"}, {"job_id", "j"}});
    EXPECT_EQ(last(client)["status"], "completed");
    say(client, {{"type", "force_retry_job"}, {"job_id", "none"}});
    EXPECT_EQ(last(client)["error"], "Job none not found");
}

TEST_F(CoreJobs, TheNewerOfTwoConnectionsWithOneIdReplacesTheOlder) {
    running();
    worker(w2, "w1", {"sim"}, "busy");
    EXPECT_EQ(closed_.at(w1).code, 1000);
    disconnect(w1);  // the socket's end is old news
    progress(w2, "j", 20);
    pass(Ms(20'000));
    EXPECT_EQ(state("j"), JobStatus::claimed);
    say(w2, {{"type", "worker_heartbeat"}, {"status", "busy"}});
    EXPECT_EQ(last(w2)["type"], "worker_heartbeat_ack");
}

TEST_F(CoreJobs, AWorkerWithoutASignForAMinuteIsDropped) {
    worker(w1, "w1");
    pass(Ms(59'800));
    EXPECT_FALSE(closed_.contains(w1));
    pass(Ms(200));
    EXPECT_EQ(closed_.at(w1).reason, "Worker w1 disconnected");
}

TEST_F(CoreJobs, ABusyWorkerWithANewIdMayHaveBackTheJobThatItStillRuns) {
    running();
    disconnect(w1);
    pass(Ms(20'000));
    EXPECT_EQ(state("j"), JobStatus::pending);
    worker(w2, "w1-after-the-outage", {"sim"}, "busy");
    claim(w2, "j");
    EXPECT_EQ(last(w2)["error"], "Cannot claim job j: Worker w1-after-the-outage is not idle");
    say(w2, {{"type", "claim_job"}, {"job_id", "j"}, {"earlier_worker_ids", {"older", "w1", 7}}});
    EXPECT_EQ(last(w2)["type"], "job_assigned");
    EXPECT_EQ(job("j").worker_id, "w1-after-the-outage");
    submit("never claimed");
    say(w2, {{"type", "claim_job"}, {"job_id", "never claimed"}, {"earlier_worker_ids", {""}}});
    EXPECT_EQ(last(w2)["type"], "error");
}

TEST_F(CoreJobs, ALargeResultMayComeOverASecondConnectionOfItsWorker) {
    running();
    connect(w2, Role::worker, "w1-bulk");
    said(w2);
    progress(w1, "j", 100);
    complete(w2, "j", {{"large", true}});
    EXPECT_EQ(types_said(w2), std::vector<std::string>{"job_completed_ack"});
    EXPECT_EQ(state("j"), JobStatus::completed);
    EXPECT_EQ(last(client)["type"], "complete_job");
    EXPECT_EQ(last(client)["worker_id"], "w1") << "a client knows nothing of connections";
    submit("next");
    EXPECT_EQ(offered(w1), "") << "its worker is as busy as it has said";
    EXPECT_EQ(offered(w2), "");
}

TEST_F(CoreJobs, ASecondConnectionMayDoNothingElse) {
    running();
    connect(w2, Role::worker, "w1-bulk2");
    said(w2);
    submit("other");
    EXPECT_EQ(offered(w2), "");
    progress(w2, "j");
    EXPECT_THAT(last(w2)["error"].get<std::string>(), HasSubstr("may only complete the jobs of w1"));
    fail(w2, "j");
    claim(w2, "other");
    status(w2, "leaving");
    EXPECT_EQ(types_said(w2), (std::vector<std::string>{"error", "error", "error", "error"}));
    EXPECT_EQ(state("j"), JobStatus::claimed);
    EXPECT_EQ(state("other"), JobStatus::pending);
    disconnect(w2, true);
    EXPECT_EQ(state("j"), JobStatus::claimed) << "its end is not the end of its worker";
    EXPECT_EQ(job("j").worker_id, "w1");
}

TEST_F(CoreJobs, ASecondConnectionOfAnotherWorkerIsRefused) {
    running();
    connect(w2, Role::worker, "w2-bulk");
    complete(w2, "j");
    EXPECT_THAT(last(w2)["error"].get<std::string>(), HasSubstr("claimed by worker w1"));
    EXPECT_EQ(state("j"), JobStatus::claimed);
}

TEST_F(CoreJobs, AWorkerWhoseIdEndsSoIsAWorkerOnceItHasRegistered) {
    worker(w1, "gpu-bulk");
    submit("j");
    EXPECT_EQ(offered(w1), "j");
    run(w1, "j");
    progress(w1, "j");
    complete(w1, "j");
    EXPECT_EQ(state("j"), JobStatus::completed);
}

TEST_F(CoreJobs, ASecondConnectionIsNoWorkerToMonitorsAndIsNotTimedOut) {
    running();
    connect(w2, Role::worker, "w1-bulk");
    for (int i = 0; i < 12; ++i) {
        pass(Ms(10'000));
        progress(w1, "j");
    }
    EXPECT_EQ(closed_.count(w2), 0u);
    connect(monitor, Role::monitor, "m");
    const auto workers = last(monitor)["type"] == "ack" ? said(monitor)[1]["workers"] : Json();
    EXPECT_TRUE(workers.contains("w1")) << workers;
    EXPECT_FALSE(workers.contains("w1-bulk")) << workers;
}

TEST_F(CoreJobs, APartOfAMessageIsASignOfLifeOfTheWorkerAndItsJobs) {
    running();
    for (int i = 0; i < 20; ++i) {
        pass(Ms(10'000));
        core_->received_part(w1, now());
    }
    EXPECT_EQ(state("j"), JobStatus::claimed);
    EXPECT_EQ(closed_.count(w1), 0u);
    pass(Ms(31'000));
    EXPECT_EQ(state("j"), JobStatus::pending) << "the line stands still";
    pass(Ms(30'000));
    EXPECT_EQ(closed_.count(w1), 1u);
    core_->received_part(77, now());  // of nobody
}

TEST_F(CoreJobs, HistoryIsForgottenByAge) {
    running();
    complete(w1, "j");
    submit("old but pending", "nobody");
    time_ += policy_.history - Ms(61'000);
    pass(Ms(200));
    EXPECT_EQ(state("j"), JobStatus::completed);
    time_ += Ms(62'000);
    pass(policy_.trim_every);
    EXPECT_FALSE(core_->view("j").value().has_value());
    EXPECT_EQ(state("old but pending"), JobStatus::pending);
    EXPECT_TRUE(core_->view("old but pending").value().has_value());
}

TEST_F(CoreJobs, AClientThatComesBackUnderItsIdHearsOfItsJobsAgain) {
    running();
    disconnect(client);
    connect(10, Role::client, "c");
    complete(w1, "j");
    EXPECT_EQ(last(10)["type"], "complete_job");
}

TEST_F(CoreJobs, SubscribersAndMonitorsSeeTheJobOfAnother) {
    running();
    connect(10, Role::client, "watcher");
    connect(monitor, Role::monitor, "m");
    say(monitor, {{"type", "subscribe"}, {"channels", {"worker_status"}}});
    say(10, {{"type", "subscribe_job"}, {"job_id", "j"}});
    EXPECT_EQ(last(10)["type"], "subscription_confirmed");
    complete(w1, "j");
    EXPECT_EQ(last(10)["type"], "complete_job");
    EXPECT_EQ(last(monitor)["client_id"], "c");
    EXPECT_THAT(types_said(monitor), Contains("complete_job"));
    say(w1, {{"type", "service_request"}, {"job_id", "j"}, {"content", {{"x", 1}}}});
    EXPECT_THAT(types_said(monitor), Not(Contains("service_request")));  // not in its filter
    status(w1, "idle");
    EXPECT_EQ(types_said(monitor), (std::vector<std::string>{"worker_status", "ack"}));
}

TEST_F(CoreJobs, AJobThatIsCancelledASecondTimeIsToldASecondTime) {
    constexpr ConnectionId client = 20;
    connect(client, Role::client, "c");
    worker(w1, "w1");
    submit("j");
    run(w1, "j");
    const auto told_by_progress = [&] {
        said(w1);
        progress(w1, "j");
        return types_said(w1);
    };
    say(client, {{"type", "cancel_job"}, {"job_id", "j"}});
    EXPECT_THAT(told_by_progress(), testing::ElementsAre("cancel_job"));
    EXPECT_THAT(told_by_progress(), testing::ElementsAre());
    say(client, {{"type", "force_retry_job"}, {"job_id", "j"}});
    EXPECT_EQ(state("j"), JobStatus::pending);
    say(client, {{"type", "cancel_job"}, {"job_id", "j"}});
    EXPECT_THAT(told_by_progress(), testing::ElementsAre("cancel_job"));
}

}  // namespace
}  // namespace emprops::local_hub
