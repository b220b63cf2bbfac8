// Slots, reservations, pools, drain: what the worker can take and who gets it.

#include "dispatcher_desk.h"

namespace emprops::jobs::test {
namespace {

TEST(Capacity, TypesAreSortedUniqueAndSlotsAddUpOverInstances) {
    Desk desk;
    desk.ready("b", {"z", "t"}, 2);
    desk.ready("a", {"t", "t"}, 1);
    EXPECT_EQ(describe(desk.dispatcher.capacity()), "types t z free t:3 z:2");
    desk.assign("j1", "z");
    EXPECT_EQ(describe(desk.dispatcher.capacity()), "types t z free t:2 z:1");
}

TEST(Capacity, IsNotToldAgainWhenItDidNotChange) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.forget();
    desk.available(a, true);
    desk.dispatcher.on_time(desk.now);
    desk.dispatcher.release(desk.now, "nobody");
    EXPECT_EQ(desk.events(), Lines());
}

TEST(Capacity, AReservedSlotIsTakenUntilItIsReleased) {
    Desk desk;
    desk.ready("a", {"t"});
    EXPECT_FALSE(desk.dispatcher.reserve(desk.now, "j0", "unknown"));
    EXPECT_TRUE(desk.dispatcher.reserve(desk.now, "j1", "t"));
    EXPECT_TRUE(desk.dispatcher.reserve(desk.now, "j1", "t")) << "the same claim needs one slot";
    EXPECT_FALSE(desk.dispatcher.reserve(desk.now, "j2", "t"));
    EXPECT_FALSE(desk.dispatcher.capacity().idle());
    desk.dispatcher.release(desk.now, "j1");
    desk.dispatcher.release(desk.now, "j1");
    EXPECT_EQ(describe(desk.dispatcher.capacity()), "types t free t:1");
}

TEST(Capacity, ALateAssignmentIsTakenIfASlotIsFree) {
    Desk desk;
    desk.ready("a", {"t"});
    desk.dispatcher.reserve(desk.now, "j1", "t");
    desk.dispatcher.release(desk.now, "j1");
    desk.forget();
    desk.assign("j1");
    EXPECT_EQ(desk.events(), Lines({"record j1 on a", "types t free", "give j1 to a attempt 1"}));
}

TEST(Capacity, AnAssignmentThatWasNeverClaimedCannotTakeTheSlotOfAClaim) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.dispatcher.reserve(desk.now, "claimed", "t");
    desk.forget();
    desk.assign("surprise");
    EXPECT_EQ(desk.events(), Lines({"record surprise on -"}));
    desk.assign("claimed");
    EXPECT_EQ(desk.events(), Lines({"record claimed on a", "give claimed to a attempt 1"}));
    desk.result(a, "claimed");
    EXPECT_EQ(desk.events(), Lines({"finished claimed completed", "ended claimed at a",
                                    "record surprise on a", "give surprise to a attempt 1"}));
}

TEST(Capacity, APoolGivesToTheLeastLoadedThenInListOrder) {
    DispatcherSettings settings;
    settings.connector_order = {"second", "first"};
    Desk desk(settings);
    desk.ready("first", {"t"}, 1);
    desk.ready("second", {"t"}, 2);
    desk.forget();
    const Lines expected = {"second", "first", "second"};
    for (int i = 0; i < 3; ++i) {
        desk.assign("j" + std::to_string(i));
        desk.forget();
        EXPECT_EQ(desk.dispatcher.running().back().instance->connector, expected[static_cast<std::size_t>(i)])
            << i;
    }
    desk.dispatcher.set_connector_order(desk.now, {"first", "second"});
    desk.result(desk.id("first"), "j1");
    desk.result(desk.id("second"), "j0");
    desk.result(desk.id("second"), "j2");
    desk.assign("j3");
    desk.forget();
    EXPECT_EQ(desk.dispatcher.running().back().instance->connector, "first");
}

TEST(Capacity, AnUnavailableServiceWithdrawsItsTypesAndKeepsItsJobs) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.forget();
    desk.available(a, false);
    EXPECT_EQ(desk.events(), Lines({"types free"}));
    desk.assign("j2");
    EXPECT_EQ(desk.events(), Lines({"record j2 on -"}));
    desk.result(a, "j1");
    EXPECT_EQ(desk.events(), Lines({"finished j1 completed", "ended j1 at a"}));
    desk.available(a, true);
    EXPECT_EQ(desk.events(), Lines({"record j2 on a", "types t free t:1", "give j2 to a attempt 1"}));
}

TEST(Capacity, AnAssignmentWhoseConnectorHasGoneIsHeldForTheNextOneAndFailsAfter30Seconds) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.dispatcher.reserve(desk.now, "j1", "t");
    desk.dies(a);
    desk.assign("j1");
    EXPECT_EQ(desk.events().back(), "record j1 on -");
    EXPECT_EQ(desk.dispatcher.running().size(), 1u) << "keep-alives go on";
    desk.pass(29'999ms);
    desk.ready("a", {"t"});
    EXPECT_EQ(desk.events(), Lines({"record j1 on a", "types t free", "give j1 to a attempt 1"}));

    desk.assign("j2");
    desk.available(desk.id("a"), false);
    desk.pass(30s);
    desk.forget();
    EXPECT_EQ(desk.last_error().code, ipc::code::service_unavailable);
    EXPECT_NE(desk.last_error().message.find("port 8188 refuses"), std::string::npos);
}

TEST(Capacity, AReservationMovesToAnotherInstanceWhenItsOwnGoes) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.ready("b", {"t"});
    desk.dispatcher.reserve(desk.now, "j1", "t");
    desk.dies(a);
    EXPECT_EQ(describe(desk.dispatcher.capacity()), "types t free") << "b's slot is promised now";
    desk.assign("j1");
    EXPECT_EQ(desk.events().back(), "give j1 to b attempt 1");
}

TEST(Capacity, ALeavingInstanceGetsNothingNewAndFinishesWhatItHas) {
    Desk desk;
    const auto old_process = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.forget();
    const auto new_process = desk.ready("a", {"t"}, 2);
    desk.dispatcher.instance_leaving(desk.now, old_process);
    desk.assign("j2");
    desk.forget();
    EXPECT_EQ(desk.dispatcher.running().back().instance, new_process);
    desk.result(old_process, "j1");
    EXPECT_EQ(desk.events().front(), "finished j1 completed");
}

TEST(Capacity, AJobPromisedToAnInstanceThatLeavesGoesToTheNext) {
    Desk desk;
    desk.ledger_answers = false;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.forget();
    desk.dispatcher.instance_leaving(desk.now, a);
    desk.ready("b", {"t"});
    EXPECT_EQ(desk.events(), Lines({"types free", "record j1 on b", "types t free"}));
    desk.dispatcher.recorded(desk.now, 1);
    EXPECT_EQ(desk.events(), Lines()) << "that was the answer to the first record";
    desk.dispatcher.recorded(desk.now, 1);
    EXPECT_EQ(desk.events(), Lines({"give j1 to b attempt 1"}));
}

TEST(Capacity, AFullDiskMakesTheWorkerBusyNotUnable) {
    Desk desk;
    desk.ready("a", {"t"});
    desk.forget();
    desk.dispatcher.set_healthy(desk.now, false, "no space left on device");
    EXPECT_EQ(desk.events(), Lines({"types t free"}));
    EXPECT_FALSE(desk.dispatcher.reserve(desk.now, "j1", "t"));
    desk.dispatcher.set_healthy(desk.now, true, "space again");
    EXPECT_EQ(desk.events(), Lines({"types t free t:1"}));
}

TEST(Drain, GracefulLetsEverythingFinishAndTakesNothingNew) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.dispatcher.reserve(desk.now, "j2", "t");
    desk.forget();
    desk.dispatcher.drain(desk.now, DrainMode::graceful);
    EXPECT_EQ(desk.events(), Lines({"draining free"}));
    EXPECT_FALSE(desk.dispatcher.reserve(desk.now, "j3", "t"));
    desk.assign("j2");  // the claim was under way
    EXPECT_EQ(desk.events().back(), "give j2 to a attempt 1");
    desk.pass(24h);
    desk.dispatcher.accepted(desk.now, a, {"j1"});
    EXPECT_FALSE(desk.dispatcher.quiet());
    EXPECT_TRUE(desk.dispatcher.draining());
}

TEST(Drain, AfterTheDeadlineJobsAreGivenBackAndSaidNotToBeAtFault) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.forget();
    desk.dispatcher.drain(desk.now, DrainMode::deadline, desk.now + 300s);
    desk.pass(299s);
    EXPECT_EQ(desk.events(), Lines({"draining free"}));
    desk.pass(1s);
    EXPECT_EQ(desk.events(), Lines({"cancel j1 at a", "finished j1 drained"}));
    EXPECT_TRUE(desk.last_error().retryable);
    EXPECT_NE(desk.last_error().message.find("not the job's fault"), std::string::npos);
    EXPECT_FALSE(desk.dispatcher.quiet()) << "the connector still holds it";
    desk.fails(a, "j1", ipc::code::cancelled);
    EXPECT_TRUE(desk.dispatcher.quiet());
    desk.assign("late");
    EXPECT_EQ(desk.events(), Lines({"ended j1 at a", "finished late drained"}));
}

TEST(Drain, NowGivesBackEvenWhatOnlyWaits) {
    Desk desk;
    desk.ready("a", {"t"});
    desk.assign("j1");
    desk.assign("held");
    desk.forget();
    desk.dispatcher.drain(desk.now, DrainMode::now);
    EXPECT_EQ(desk.events(),
              Lines({"cancel j1 at a", "draining free", "finished j1 drained", "finished held drained"}));
    desk.dispatcher.resume(desk.now);
    EXPECT_EQ(desk.events(), Lines({"types t free"})) << "a is still busy with the cancel";
}

TEST(Drain, OneConnectorIsDrainedWithoutTheOthers) {
    Desk desk;
    const auto a = desk.ready("a", {"t", "only_a"}, 2);
    desk.ready("b", {"t"});
    desk.assign("j1", "only_a");
    desk.forget();
    desk.dispatcher.drain_connector(desk.now, "a", DrainMode::deadline, desk.now + 5s);
    EXPECT_EQ(desk.events(), Lines({"types t free t:1"}));
    EXPECT_FALSE(desk.dispatcher.quiet("a"));
    EXPECT_TRUE(desk.dispatcher.quiet("b"));
    desk.pass(5s);
    EXPECT_EQ(desk.events(), Lines({"cancel j1 at a", "finished j1 drained"}));
    desk.fails(a, "j1", ipc::code::cancelled);
    EXPECT_TRUE(desk.dispatcher.quiet("a"));
    desk.forget();
    desk.dispatcher.resume_connector(desk.now, "a");
    EXPECT_EQ(desk.events(), Lines({"types only_a t free only_a:2 t:3"}));
}

}  // namespace
}  // namespace emprops::jobs::test
