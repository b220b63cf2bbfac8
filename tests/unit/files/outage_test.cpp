// The destination is away for a long time and many jobs end meanwhile: minutes that take a moment. What the courier does
// there is played: it tries each file again and again, tells of it, and gives it up after deliver_timeout.

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "supervisor/files/deliveries.h"

namespace emprops::files {
namespace {

using namespace std::chrono_literals;

struct Outage {
    static constexpr int jobs = 50;
    static constexpr std::size_t slots = 4;

    Deliveries deliveries;
    TimePoint now{1h};
    const TimePoint began = now;
    TimePoint back = now;  ///< of the destination
    Ms deliver_timeout{30min};
    process::InstanceId courier{"courier", 0, 1};
    std::map<std::string, TimePoint> in_hand;
    std::set<std::string> arrived, failed, kept, stops;
    std::map<std::string, int> given;
    std::map<std::uint64_t, TimePoint> told;
    std::size_t most_in_hand = 0;
    int added = 0;

    void add(int number) {
        Delivery one;
        one.number = static_cast<std::uint64_t>(number);
        one.job_id = "j" + std::to_string(number);
        one.folder = std::to_string(number);
        FileOnWay& file = one.files.emplace_back();
        file.file.name = file.file.path = file.place = "a.png";
        file.bytes = 100;
        file.stores = {"results"};
        one.result = ipc::RawJson(R"({"image":{"$file":0}})");
        deliveries.add(now, std::move(one));
    }
    void take_actions() {
        for (auto actions = deliveries.take_actions(); !actions.empty();
             actions = deliveries.take_actions()) {
            for (Deliveries::Action& action : actions) {
                if (auto* give = std::get_if<GiveFile>(&action)) {
                    in_hand[give->job.job_id] = now;
                    ++given[give->job.job_id];
                }
                if (auto* tell = std::get_if<TellDelivery>(&action)) told[tell->number] = now;
                if (auto* stop = std::get_if<StopCourier>(&action)) stops.insert(stop->text);
                if (auto* end = std::get_if<EndDelivery>(&action)) {
                    const bool good = std::holds_alternative<jobs::Completed>(end->value);
                    EXPECT_TRUE((good ? arrived : failed).insert(end->delivery.job_id).second) << "one end";
                    if (end->kept) kept.insert(end->delivery.job_id);
                }
            }
            most_in_hand = std::max(most_in_hand, in_hand.size());
        }
    }
    void courier_works() {
        const auto held = in_hand;
        for (const auto& [id, since] : held) {
            if (now >= back) {
                in_hand.erase(id);
                deliveries.file_delivered(now, courier, {id, {R"({"entry":{"url":"u"}})"}, {}});
            } else if (now - since >= deliver_timeout) {
                in_hand.erase(id);
                deliveries.file_failed(now, courier, id, {"service_unavailable", "results: 503", true, {}});
            } else if ((now - began) % 5s == 0s) {
                ipc::Progress progress;
                progress.job_id = id;
                progress.message = "results: answers 503, tried again in 30 s";
                deliveries.progress(now, progress);
            }
        }
    }
    /// A job ends every ten seconds as long as there are any.
    void run(Ms duration) {
        const TimePoint end = now + duration;
        for (; now < end; now += 1s) {
            if ((now - began) % 10s == 0s && added < jobs) add(++added);
            if (const auto wake = deliveries.next_wakeup(); wake && *wake <= now) deliveries.on_time(now);
            take_actions();
            courier_works();
            take_actions();
            const auto wake = deliveries.next_wakeup();
            ASSERT_TRUE(!wake || *wake > now - 1s) << "a wakeup that changes nothing would spin";
        }
    }
};

TEST(Outage, OfTenMinutesCostsNoRenderAndNobodyIsAskedTwice) {
    Outage outage;
    outage.deliveries.courier_ready(outage.now, outage.courier, Outage::slots);
    outage.back = outage.now + 10min;
    outage.run(10min - 1s);
    EXPECT_EQ(outage.arrived.size(), 0u);
    EXPECT_EQ(outage.deliveries.size(), 50u);
    for (const auto& [id, count] : outage.given)
        EXPECT_EQ(count, 1) << id << ": the courier itself tries again";
    EXPECT_EQ(outage.in_hand.size(), Outage::slots);
    for (const auto& [id, since] : outage.in_hand)
        EXPECT_LE(outage.now - outage.told.at(std::stoull(id)), 6s) << "the Hub is kept informed of " << id;
    EXPECT_TRUE(outage.stops.empty()) << "a courier that tells of its tries is well";
    outage.run(1min);
    EXPECT_EQ(outage.arrived.size(), 50u);
    EXPECT_TRUE(outage.failed.empty());
    EXPECT_EQ(outage.most_in_hand, Outage::slots);
    EXPECT_EQ(outage.deliveries.size(), 0u);
}

TEST(Outage, ThatIsLongerThanTheTimeForTriesFailsJobsAndKeepsEachFile) {
    Outage outage;
    outage.deliver_timeout = 3min;
    outage.deliveries.courier_ready(outage.now, outage.courier, Outage::slots);
    outage.back = outage.now + 10min;
    outage.run(11min);
    EXPECT_EQ(outage.arrived.size() + outage.failed.size(), 50u);
    EXPECT_EQ(outage.failed.size(), 12u) << "three times what the courier takes at once";
    EXPECT_EQ(outage.kept, outage.failed) << "not one file is gone";
    EXPECT_EQ(outage.deliveries.size(), 0u);
}

TEST(Outage, WithoutACourierIsWaitedForAsLong) {
    Outage outage;
    outage.run(10min);
    EXPECT_EQ(outage.deliveries.size(), 50u);
    EXPECT_TRUE(outage.failed.empty());
    outage.deliveries.courier_ready(outage.now, outage.courier, Outage::slots);
    outage.run(1min);
    EXPECT_EQ(outage.arrived.size(), 50u);
}

TEST(Outage, InWhichTheCourierIsRestartedAgainAndAgainCostsNoFile) {
    Outage outage;
    outage.back = outage.now + 10min;
    for (std::uint64_t generation = 1; outage.now < outage.back - 1s; ++generation) {
        outage.courier.generation = generation;
        outage.deliveries.courier_ready(outage.now, outage.courier, Outage::slots);
        outage.run(100s);
        outage.in_hand.clear();
        outage.deliveries.courier_gone(outage.now, outage.courier, true, "restarted by an operator");
    }
    outage.courier.generation = 100;
    outage.deliveries.courier_ready(outage.now, outage.courier, Outage::slots);
    outage.run(1min);
    EXPECT_TRUE(outage.failed.empty());
    EXPECT_EQ(outage.deliveries.size(), 0u);
}

}  // namespace
}  // namespace emprops::files
