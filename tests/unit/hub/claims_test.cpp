// Claims alone: one at a time, a place for each, what the Hub refused.

#include "supervisor/hub/claims.h"

#include "words.h"

namespace emprops::hub {
namespace {

struct ClaimsTest : MachineTest {
    static Offer offer(const std::string& job) { return {job, "sim", ""}; }

    /// An offer that got its place.
    void claim(Claims& claims, const std::string& job = "j1") {
        claims.want_place(offer(job));
        ASSERT_TRUE(claims.take_wish(job));
        claims.claim(now, offer(job), jobs::Place::slot);
        said();
    }
};

TEST_F(ClaimsTest, AnOfferWaitsForAPlaceAndIsThenClaimed) {
    Claims claims(settings, wire);
    claims.want_place(offer("j1"));
    EXPECT_THAT(said(), ElementsAre("place? j1 sim"));
    EXPECT_FALSE(claims.outstanding());
    const auto wish = claims.take_wish("j1");
    ASSERT_TRUE(wish && std::holds_alternative<Offer>(*wish));
    EXPECT_FALSE(claims.take_wish("j1")) << "an answer is taken once";
    claims.claim(now, std::get<Offer>(*wish), jobs::Place::slot);
    EXPECT_THAT(said(), ElementsAre("claim j1"));
    EXPECT_TRUE(claims.is_outstanding("j1"));
}

TEST_F(ClaimsTest, AnAssignmentWithoutAClaimWaitsForAPlaceToo) {
    Claims claims(settings, wire);
    Assignment assignment;
    assignment.job_id = "j1";
    assignment.job_type = "sim";
    claims.want_place(assignment);
    EXPECT_THAT(said(), ElementsAre("place? j1 sim"));
    EXPECT_FALSE(claims.defers(now, offer("j2"))) << "no claim is on its way";
    EXPECT_TRUE(std::holds_alternative<Assignment>(*claims.take_wish("j1")));
}

TEST_F(ClaimsTest, OneAtATime) {
    Claims claims(settings, wire);
    EXPECT_FALSE(claims.defers(now, offer("j1")));
    claims.want_place(offer("j1"));
    EXPECT_TRUE(claims.defers(now, offer("j2"))) << "its place is being asked for";
    claims.take_wish("j1");
    EXPECT_FALSE(claims.defers(now, offer("j2"))) << "there was none";
    claims.claim(now, offer("j1"), jobs::Place::slot);
    EXPECT_TRUE(claims.defers(now, offer("j2")));
}

TEST_F(ClaimsTest, AsManyTogetherAsTheHubTakes) {
    Claims claims(settings, wire);
    claims.set_at_once(2);
    claim(claims, "j1");
    EXPECT_TRUE(claims.defers(now, offer("j1"))) << "it is being claimed";
    EXPECT_FALSE(claims.defers(now, offer("j2")));
    claims.want_place(offer("j2"));
    EXPECT_TRUE(claims.defers(now, offer("j2"))) << "its place is being asked for";
    EXPECT_TRUE(claims.defers(now, offer("j3"))) << "one too many";
    claims.take_wish("j2");
    claims.claim(now + Ms(1'000), offer("j2"), jobs::Place::slot);
    said();
    EXPECT_TRUE(claims.on_refused(now, "j1").withheld);
    EXPECT_THAT(said(), ElementsAre("release j1"));
    EXPECT_TRUE(claims.is_outstanding("j2")) << "each has its own answer";
    EXPECT_EQ(claims.next_wakeup(), now + Ms(1'000) + Ms(settings.hub.claim_timeout));
    claim(claims, "j4");
    EXPECT_TRUE(claims.check(now + Ms(settings.hub.claim_timeout)));
    EXPECT_THAT(said(), ElementsAre("release j4")) << "the other one has time";
    EXPECT_TRUE(claims.on_assigned("j2"));
    EXPECT_FALSE(claims.outstanding());
}

TEST_F(ClaimsTest, ARefusalGivesThePlaceBackAndShowsTheOfferThatWaited) {
    Claims claims(settings, wire);
    claim(claims);
    claims.defers(now, offer("j1"));  // once more, says nothing new
    claims.defers(now, offer("j2"));
    const auto refused = claims.on_refused(now, "j1");
    EXPECT_THAT(said(), ElementsAre("release j1"));
    EXPECT_TRUE(refused.withheld);
    EXPECT_EQ(refused.job_type, "sim");
    ASSERT_TRUE(refused.next);
    EXPECT_EQ(refused.next->job_id, "j2");
    EXPECT_FALSE(claims.hears(now, "j1"));
    EXPECT_TRUE(claims.hears(now, "j2"));
    EXPECT_TRUE(claims.hears(now + Ms(settings.hub.refusal_memory), "j1"));
}

TEST_F(ClaimsTest, AnOfferThatWaitedTooLongIsNotLookedAt) {
    Claims claims(settings, wire);
    claim(claims);
    claims.defers(now, offer("j2"));
    EXPECT_FALSE(claims.on_refused(now + Ms(10'000), "j1").next);
}

TEST_F(ClaimsTest, ARefusalOfAClaimGivenUpChangesNothingButIsRemembered) {
    Claims claims(settings, wire);
    claim(claims, "j2");
    const auto refused = claims.on_refused(now, "j1");
    EXPECT_FALSE(refused.withheld);
    EXPECT_FALSE(refused.next);
    EXPECT_TRUE(claims.is_outstanding("j2"));
    EXPECT_FALSE(claims.hears(now, "j1"));
    EXPECT_EQ(wire.counters().refusals, 1u);
}

TEST_F(ClaimsTest, WithAFixedIdTheThirdRefusalIsForEver) {
    settings.exact_id = true;
    Claims claims(settings, wire);
    for (const bool third : {false, false, true}) {
        claim(claims);
        EXPECT_EQ(claims.on_refused(now, "j1").for_ever, third);
    }
    EXPECT_TRUE(claims.hears(now + Ms(2'000), "j1"))
        << "with a fixed id refusals are not remembered for long";
}

TEST_F(ClaimsTest, WithFreshIdsNoRefusalIsForEver) {
    Claims claims(settings, wire);
    for (int i = 0; i < 5; ++i) {
        claim(claims);
        EXPECT_FALSE(claims.on_refused(now, "j1").for_ever);
    }
}

TEST_F(ClaimsTest, ARefusedClaimOfAJobThatRunsHereWithholdsNothing) {
    Claims claims(settings, wire);
    claims.claim_again(now, "j1", "sim", {"w-0"});
    EXPECT_THAT(said(), ElementsAre("claim j1"));
    EXPECT_THAT(last_frame, testing::HasSubstr("w-0"));
    EXPECT_FALSE(claims.on_refused(now, "j1").withheld);
    EXPECT_THAT(said(), IsEmpty()) << "it had no place of its own";
}

TEST_F(ClaimsTest, AClaimWithoutAnAnswerIsGivenUp) {
    Claims claims(settings, wire);
    claim(claims);
    EXPECT_EQ(claims.next_wakeup(), now + Ms(settings.hub.claim_timeout));
    EXPECT_FALSE(claims.check(now + Ms(settings.hub.claim_timeout) - Ms(1)));
    EXPECT_TRUE(claims.check(now + Ms(settings.hub.claim_timeout)));
    EXPECT_THAT(said(), ElementsAre("release j1"));
    EXPECT_FALSE(claims.check(now + Ms(settings.hub.claim_timeout)));
    EXPECT_EQ(claims.next_wakeup(), std::nullopt);
}

TEST_F(ClaimsTest, EachPartOfAnAssignmentIsASignOfLife) {
    Claims claims(settings, wire);
    claim(claims);
    claims.on_sign(now + Ms(1'000), "j1");
    claims.on_sign(now + Ms(5'000), "another");
    EXPECT_EQ(claims.next_wakeup(), now + Ms(1'000) + Ms(settings.hub.claim_timeout));
}

TEST_F(ClaimsTest, APartOfOneAssignmentIsASignForTheClaimsBehindIt) {
    Claims claims(settings, wire);
    claims.set_at_once(2);
    claim(claims, "j1");
    claim(claims, "j2");
    claims.on_sign(now + Ms(1'000), "j1");
    EXPECT_EQ(claims.next_wakeup(), now + Ms(1'000) + Ms(settings.hub.claim_timeout));
}

TEST_F(ClaimsTest, AnAssignmentEndsItsClaimAndForgetsItsRefusals) {
    Claims claims(settings, wire);
    claim(claims);
    claims.on_refused(now, "j1");
    claims.on_assigned("j1");
    EXPECT_TRUE(claims.hears(now, "j1"));
    claim(claims);
    EXPECT_FALSE(claims.on_assigned("j2"));
    const auto ended = claims.on_assigned("j1");
    ASSERT_TRUE(ended);
    EXPECT_TRUE(ended->has_place());
    EXPECT_FALSE(claims.outstanding());
    EXPECT_THAT(said(), IsEmpty()) << "the place is the job's now";
    claims.release(*ended);
    EXPECT_THAT(said(), ElementsAre("release j1"));
}

TEST_F(ClaimsTest, OnlyTheClaimOfAJobThatRanHereIsPointlessWhenItEnds) {
    Claims claims(settings, wire);
    claim(claims);
    claims.forget_again("j1");
    EXPECT_TRUE(claims.outstanding());
    claims.drop();
    said();
    claims.claim_again(now, "j1", "sim", {});
    claims.forget_again("j2");
    EXPECT_TRUE(claims.outstanding());
    claims.forget_again("j1");
    EXPECT_FALSE(claims.outstanding());
}

TEST_F(ClaimsTest, TheEndOfTheConnectionEndsEverything) {
    Claims claims(settings, wire);
    claims.on_refused(now, "j3");
    claim(claims);
    claims.defers(now, offer("j2"));
    claims.on_disconnected(false);
    EXPECT_THAT(said(), ElementsAre("release j1"));
    EXPECT_FALSE(claims.hears(now, "j3")) << "under the same id it is refused again";
    claims.want_place(offer("j4"));
    claims.on_disconnected(true);
    EXPECT_TRUE(claims.hears(now, "j3"));
    EXPECT_FALSE(claims.take_wish("j4")) << "a place that is granted now is nobody's";
}

TEST_F(ClaimsTest, AProbeWaitsForOneAnswerAndNotForEver) {
    Claims claims(settings, wire);
    claims.probe(now, "j1");
    claims.expire_probes(now + Ms(59'999));
    EXPECT_TRUE(claims.probed("j1"));
    EXPECT_FALSE(claims.probed("j1"));
    claims.probe(now, "j1");
    claims.expire_probes(now + Ms(60'000));
    EXPECT_FALSE(claims.probed("j1"));
}

}  // namespace
}  // namespace emprops::hub
