// The queue and its offers alone: who is next, for how long, and what comes after an offer that is not taken.

#include "supervisor/local_hub/offers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::local_hub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct OffersTest : testing::Test {
    Policy policy;
    Workers workers{policy};
    Offers offers{policy};
    TimePoint now = TimePoint{} + std::chrono::hours(1);
    std::uint64_t submitted = 0;
    std::vector<std::string> made;  // "worker job"
    bool readable = true;
    std::size_t payload_bytes = 2;

    void worker(ConnectionId connection, std::vector<std::string> types = {"sim"}) {
        workers.add(connection, "w" + std::to_string(connection), {now, 0});
        hub::RegisterWorker message;
        message.job_types = std::move(types);
        workers.enroll(connection, message, {now, 0});
    }
    Job job(const std::string& id, std::int64_t priority = 0) {
        Job job;
        job.id = id;
        job.type = "sim";
        job.priority = priority;
        job.sequence = ++submitted;
        offers.add(job);
        return job;
    }
    std::vector<std::string> make(const Offers::Fits& fits = [](const auto&, const auto&) { return true; }) {
        made.clear();
        offers.make(workers, now, fits,
                    [&](const std::string& id, const Worker& to) -> std::optional<std::size_t> {
                        made.push_back(to.id + " " + id);
                        return readable ? std::optional(payload_bytes) : std::nullopt;
                    });
        return made;
    }
    void pass(Ms time) {
        now += time;
        offers.expire(now);
    }
};

TEST_F(OffersTest, EachIdleWorkerGetsOneOfferAndEachJobGoesToOne) {
    worker(1);
    worker(2);
    job("a");
    job("b", 5);
    job("c");
    EXPECT_THAT(make(), ElementsAre("w1 b", "w2 a"));
    EXPECT_THAT(make(), IsEmpty());
    EXPECT_EQ(offers.open_to(1), "b");
    EXPECT_EQ(offers.open_to(3), std::nullopt);
}

TEST_F(OffersTest, WhoIsBusyLeavingOrNotRegisteredGetsNothing) {
    worker(1);
    worker(2);
    workers.add(3, "w3", {now, 0});
    workers.set_status(1, "busy");
    workers.set_status(2, "leaving");
    workers.set_status(2, "idle");
    job("a");
    EXPECT_THAT(make(), IsEmpty());
}

TEST_F(OffersTest, TheWorkerThatWaitedLongestIsNext) {
    worker(1);
    worker(2);
    const auto a = job("a");
    EXPECT_THAT(make(), ElementsAre("w1 a"));
    offers.remove(a);
    const auto b = job("b");
    EXPECT_THAT(make(), ElementsAre("w2 b"));
    offers.remove(b);
    job("c");
    EXPECT_THAT(make(), ElementsAre("w1 c"));
}

TEST_F(OffersTest, AnOfferThatIsNotTakenGoesToTheOthersAndComesBackLater) {
    worker(1);
    job("a");
    EXPECT_THAT(make(), ElementsAre("w1 a"));
    pass(policy.offer_hold - Ms(1));
    EXPECT_EQ(offers.open_to(1), "a");
    pass(Ms(1));
    EXPECT_EQ(offers.open_to(1), std::nullopt);
    EXPECT_THAT(make(), IsEmpty());
    worker(2);
    EXPECT_THAT(make(), ElementsAre("w2 a"));
    offers.withdraw(2);
    workers.set_status(2, "busy");
    pass(policy.offer_again_after);
    EXPECT_THAT(make(), ElementsAre("w1 a"));
}

TEST_F(OffersTest, ALargePayloadHasMoreTime) {
    worker(1);
    job("a");
    payload_bytes = std::size_t{3} << 20;
    make();
    pass(policy.offer_hold + 2 * policy.offer_hold_per_mib);
    EXPECT_EQ(offers.open_to(1), "a");
    pass(policy.offer_hold_per_mib);
    EXPECT_EQ(offers.open_to(1), std::nullopt);
}

TEST_F(OffersTest, AWithdrawnOfferIsFreeForEverybodyAtOnce) {
    worker(1);
    job("a");
    make();
    offers.withdraw(1);
    EXPECT_THAT(make(), ElementsAre("w1 a"));
    offers.forget_worker(1);
    workers.remove(1);
    worker(2);
    EXPECT_THAT(make(), ElementsAre("w2 a"));
}

TEST_F(OffersTest, AJobThatIsClaimedOrEndedIsOfferedToNobody) {
    worker(1);
    const auto a = job("a");
    make();
    offers.remove(a);
    EXPECT_EQ(offers.open_to(1), std::nullopt);
    EXPECT_TRUE(offers.queue().empty());
    EXPECT_THAT(make(), IsEmpty());
}

TEST_F(OffersTest, AJobThatCannotBeReadIsTriedAgainLaterAndTheNextOneIsOffered) {
    worker(1);
    job("a");
    readable = false;
    EXPECT_THAT(make(), ElementsAre("w1 a"));
    EXPECT_EQ(offers.open_to(1), std::nullopt);
    readable = true;
    EXPECT_THAT(make(), IsEmpty());
    job("b");
    EXPECT_THAT(make(), ElementsAre("w1 b"));
    offers.withdraw(1);
    offers.forget_hindrances("a");
    EXPECT_THAT(make(), ElementsAre("w1 a"));
}

TEST_F(OffersTest, AJobThatPausesIsPassedOverUntilItsTimeAndForNobodyElse) {
    worker(1);
    job("a");
    job("b");
    offers.pause("a", now + Ms(1000));
    EXPECT_THAT(make(), ElementsAre("w1 b"));
    offers.withdraw(1);
    worker(2);
    offers.expire(now + Ms(999));
    EXPECT_THAT(make(), testing::Not(testing::Contains(testing::EndsWith(" a"))));
    offers.expire(now + Ms(1000));
    offers.withdraw(1);
    offers.withdraw(2);
    EXPECT_THAT(make(), testing::Contains(testing::EndsWith(" a")));
}

TEST_F(OffersTest, AWorkerThatAnswersSeveralGetsAsManyAndInTurnsWithTheOthers) {
    worker(1);
    worker(2);
    workers.set_offers_at_once(1, 3);
    for (const char* id : {"a", "b", "c", "d", "e"})
        job(id);
    EXPECT_THAT(make(), ElementsAre("w1 a", "w2 b", "w1 c", "w1 d"));
    EXPECT_THAT(make(), IsEmpty());
    EXPECT_THAT(offers.all_open_to(1), ElementsAre("a", "c", "d"));
    EXPECT_TRUE(offers.is_open_to(1, "c"));
    EXPECT_FALSE(offers.is_open_to(1, "b"));
    offers.withdraw(1, "b");
    EXPECT_TRUE(offers.is_open_to(2, "b")) << "another worker's";
    offers.withdraw(1, "c");
    EXPECT_THAT(make(), ElementsAre("w1 c")) << "it has room for one more";
}

TEST_F(OffersTest, EachOfSeveralOffersHasItsOwnEnd) {
    worker(1);
    workers.set_offers_at_once(1, 8);
    job("a");
    make();
    pass(Ms(1'000));
    const auto b = job("b");
    make();
    pass(policy.offer_hold - Ms(1'000));
    EXPECT_THAT(offers.all_open_to(1), ElementsAre("b")) << "the first one was not taken in time";
    EXPECT_THAT(make(), IsEmpty()) << "and rests";
    offers.remove(b);
    EXPECT_THAT(offers.all_open_to(1), IsEmpty());
    job("c");
    EXPECT_THAT(make(), ElementsAre("w1 c"));
    offers.forget_worker(1);
    workers.remove(1);
    worker(2);
    EXPECT_THAT(make(), ElementsAre("w2 a")) << "what the first did not take, another may";
}

TEST_F(OffersTest, LargeOnesAreUnderWayOneByOne) {
    worker(1);
    workers.set_offers_at_once(1, 64);
    for (int i = 0; i < 20; ++i)
        job(std::to_string(i));
    payload_bytes = policy.most_offered_bytes * 4;
    EXPECT_EQ(make().size(), 1U);
    EXPECT_THAT(make(), IsEmpty());
    offers.withdraw(1);
    payload_bytes = policy.most_offered_bytes / 4;
    EXPECT_EQ(make().size(), 4U) << "up to the size, and no further";
    pass(policy.offer_hold + 2 * policy.offer_hold_per_mib - Ms(1));
    EXPECT_EQ(offers.all_open_to(1).size(), 4U);
    pass(Ms(1));
    EXPECT_EQ(offers.all_open_to(1).size(), 3U) << "each has the time of those before it, too";
}

TEST_F(OffersTest, AJobWithoutAPlaceIsNotOfferedThereAgainAtOnce) {
    worker(1);
    job("a");
    make();
    offers.no_place(1, "a", now);
    EXPECT_THAT(make(), IsEmpty());
    worker(2);
    EXPECT_THAT(make(), ElementsAre("w2 a")) << "others may have it";
    offers.withdraw(2);
    workers.remove(2);
    offers.forget_worker(2);
    pass(policy.place_again_after - Ms(1));
    EXPECT_THAT(make(), IsEmpty());
    pass(Ms(1));
    EXPECT_THAT(make(), ElementsAre("w1 a"));
}

TEST_F(OffersTest, NobodyAnswersMoreThanTheHubMakes) {
    worker(1);
    workers.set_offers_at_once(1, 1'000'000);
    for (int i = 0; i < 100; ++i)
        job(std::to_string(i));
    EXPECT_EQ(make().size(), static_cast<std::size_t>(policy.most_offers_at_once));
    workers.set_offers_at_once(1, 0);
    EXPECT_EQ(workers.find(1)->offers_at_once, 1);
}

TEST_F(OffersTest, WhatDoesNotFitAWorkerIsPassedOver) {
    worker(1);
    worker(2);
    job("a");
    const auto made_to = make([](const auto&, const Worker& to) { return to.id != "w1"; });
    EXPECT_THAT(made_to, ElementsAre("w2 a"));
}

}  // namespace
}  // namespace emprops::local_hub
