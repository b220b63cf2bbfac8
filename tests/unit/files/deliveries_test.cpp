// Which file the courier gets next, what its deaths mean, and how a job's delivery ends.

#include "supervisor/files/deliveries.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace emprops::files {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

class Bench {
  public:
    Deliveries deliveries;
    TimePoint now{1h};
    std::vector<Deliveries::Action> all;
    Lines notes;
    std::string told;  // the newest progress

    explicit Bench(DeliveriesPolicy policy = {}) : deliveries(policy) {}

    static Delivery delivery(std::uint64_t number, std::size_t files, std::uint64_t bytes = 100) {
        Delivery one;
        one.number = number;
        one.job_id = "j" + std::to_string(number);
        one.folder = std::to_string(number);
        std::string marks;
        for (std::size_t i = 0; i < files; ++i) {
            FileOnWay& each = one.files.emplace_back();
            each.file.name = each.file.path = each.place = "f" + std::to_string(i);
            each.bytes = bytes;
            each.stores = {"results", "inline"};
            marks += (i == 0 ? "" : ",") + std::string(R"({"$file":)") + std::to_string(i) + "}";
        }
        one.result = ipc::RawJson(R"({"files":[)" + marks + "]}");
        return one;
    }
    void add(std::uint64_t number, std::size_t files, std::uint64_t bytes = 100) {
        deliveries.add(now, delivery(number, files, bytes));
    }
    process::InstanceId courier(std::uint64_t generation, int slots = 4) {
        const process::InstanceId id{"courier", 0, generation};
        deliveries.courier_ready(now, id, slots);
        return id;
    }
    void done(const process::InstanceId& id, const std::string& job_id,
              const std::string& entry = R"({"url":"u"})") {
        deliveries.file_delivered(now, id, {job_id, {R"({"entry":)" + entry + "}"}, {}});
    }
    void fails(const process::InstanceId& id, const std::string& job_id,
               const std::string& code = "service_unavailable", const std::string& message = "results: 403") {
        deliveries.file_failed(now, id, job_id, {code, message, false, {}});
    }
    void dies(const process::InstanceId& id, bool planned = false) {
        deliveries.courier_gone(now, id, planned, "killed by SIGSEGV");
    }
    Lines events() {
        Lines lines;
        for (auto& action : deliveries.take_actions()) {
            if (auto* a = std::get_if<GiveFile>(&action)) lines.push_back("give " + a->job.job_id);
            if (auto* a = std::get_if<StopCourier>(&action)) lines.push_back("stop courier: " + a->text);
            if (auto* a = std::get_if<CancelFile>(&action)) lines.push_back("cancel " + a->job_id);
            if (auto* a = std::get_if<RecordDelivery>(&action)) lines.push_back("record " + a->job_id);
            if (auto* a = std::get_if<RemoveFolder>(&action)) lines.push_back("remove " + a->folder);
            if (auto* a = std::get_if<TellDelivery>(&action)) told = a->progress.message;
            if (auto* a = std::get_if<Note>(&action)) notes.push_back(a->text);
            if (auto* a = std::get_if<EndDelivery>(&action)) {
                auto* failed = std::get_if<jobs::Failed>(&a->value);
                lines.push_back("end " + a->delivery.job_id +
                                (failed ? " [" + failed->error.code + "] " + failed->error.message
                                        : " " + std::get<jobs::Completed>(a->value).result.text()) +
                                (a->kept ? " kept" : ""));
            }
            all.push_back(std::move(action));
        }
        return lines;
    }
    const ipc::Job& last_given() const {
        for (auto it = all.rbegin(); it != all.rend(); ++it)
            if (auto* give = std::get_if<GiveFile>(&*it)) return give->job;
        throw std::logic_error("nothing was given");
    }
};

std::uint64_t inline_limit(const ipc::Job& job) {
    return ipc::Json::parse(job.payload.text()).at("inline_max_bytes").get<std::uint64_t>();
}

TEST(Deliveries, FilesGoInTheirOrderAsManyAsTheCourierTakes) {
    Bench bench;
    bench.add(1, 2);
    bench.add(2, 1);
    EXPECT_EQ(bench.events(), Lines()) << "no courier yet";
    const auto c = bench.courier(1, 2);
    EXPECT_EQ(bench.events(), Lines({"give 1/0", "give 2/0"}));
    bench.done(c, "1/0");
    EXPECT_EQ(bench.events(), Lines({"record j1", "give 1/1"}));
    EXPECT_EQ(bench.told, "") << "what takes no time is not told of";
    bench.done(c, "1/1");
    EXPECT_EQ(bench.events(),
              Lines({R"(end j1 {"files":[{"name":"f0","url":"u"},{"name":"f1","url":"u"}]})"}));
    bench.done(c, "2/0");
    EXPECT_EQ(bench.events(), Lines({R"(end j2 {"files":[{"name":"f0","url":"u"}]})"}));
    EXPECT_EQ(bench.deliveries.size(), 0u);
}

TEST(Deliveries, WhatTakesTimeIsToldOfNotTooOften) {
    Bench bench;
    bench.add(1, 3);
    const auto c = bench.courier(1);
    bench.events();
    bench.now += 2s;
    bench.done(c, "1/0");
    bench.events();
    EXPECT_EQ(bench.told, "delivering 2 of 3");
    ipc::Progress progress;
    progress.job_id = "1/2";
    progress.message = "results: answers 503, tried again in 4 s";
    bench.deliveries.progress(bench.now + 500ms, progress);
    bench.events();
    EXPECT_EQ(bench.told, "delivering 2 of 3") << "half a second later";
    bench.deliveries.progress(bench.now + 1s, progress);
    bench.events();
    EXPECT_EQ(bench.told, "delivering 2 of 3: f2: results: answers 503, tried again in 4 s");
}

TEST(Deliveries, OneFileThatNoStoreTakesFailsTheJobWhenTheOthersHaveGone) {
    Bench bench;
    bench.add(1, 3);
    const auto c = bench.courier(1);
    bench.events();
    bench.fails(c, "1/1");
    EXPECT_EQ(bench.events(), Lines());
    bench.done(c, "1/0");
    bench.done(c, "1/2");
    const Lines events = bench.events();
    EXPECT_EQ(
        events.back(),
        "end j1 [service_unavailable] 1 of 3 files of the result could not be delivered: \"f1\": results: 403 kept");
}

TEST(Deliveries, WhatIsDroppedIsCancelledAndItsFolderGoes) {
    Bench bench;
    bench.add(1, 2);
    bench.add(2, 1);
    const auto c = bench.courier(1, 1);
    bench.events();
    bench.deliveries.drop(bench.now, 1);
    EXPECT_EQ(bench.events(), Lines({"cancel 1/0", "remove 1"}));
    bench.done(c, "1/0");
    EXPECT_EQ(bench.events(), Lines({"give 2/0"})) << "its answer frees the courier";
    bench.deliveries.drop(bench.now, 99);
    EXPECT_EQ(bench.events(), Lines());
}

TEST(Deliveries, AFileGoesOnWithTheNextCourierAfterADeath) {
    Bench bench;
    bench.add(1, 1);
    const auto c = bench.courier(1);
    bench.events();
    bench.dies(c);
    EXPECT_EQ(bench.events(), Lines({"record j1"}));
    const auto next = bench.courier(2);
    EXPECT_EQ(bench.events(), Lines({"give 1/0"}));
    EXPECT_NE(bench.last_given().payload.text().find(R"("repeat":true)"), std::string::npos);
    bench.done(next, "1/0");
    EXPECT_EQ(bench.events().size(), 1u);
}

TEST(Deliveries, AfterTwoDeathsAFileGoesAloneAndAfterThreeToTheNextStore) {
    Bench bench;
    bench.add(1, 2);
    for (std::uint64_t generation : {1, 2}) {
        const auto c = bench.courier(generation);
        EXPECT_EQ(bench.events().back(), "give 1/1");
        bench.dies(c);
        bench.events();
    }
    const auto third = bench.courier(3);
    EXPECT_EQ(bench.events(), Lines({"give 1/0"})) << "alone";
    bench.dies(third);
    bench.events();
    EXPECT_EQ(bench.notes.back(), "the courier ended with \"f0\" in hand (killed by SIGSEGV), 3 times");
    const auto fourth = bench.courier(4);
    EXPECT_EQ(bench.events(), Lines({"give 1/0"}));
    EXPECT_NE(bench.last_given().payload.text().find(R"("stores":["inline"])"), std::string::npos);
    bench.done(fourth, "1/0", R"({"data":"AA=="})");
    EXPECT_EQ(bench.events(), Lines({"give 1/1"}))
        << "the innocent one goes alone as well, and is not blamed";
    EXPECT_NE(bench.last_given().payload.text().find(R"("stores":["results","inline"])"), std::string::npos);
    bench.done(fourth, "1/1");
    EXPECT_EQ(bench.events().back().substr(0, 6), "end j1");
}

TEST(Deliveries, AFileThatKillsTheCourierAtEachStoreFailsItsJob) {
    Bench bench;
    bench.add(1, 1);
    std::uint64_t generation = 0;
    Lines events;
    for (; generation < 10 && (events.empty() || events.back().substr(0, 3) != "end"); ++generation) {
        bench.dies(bench.courier(generation + 1));
        events = bench.events();
    }
    EXPECT_EQ(generation, 4u);
    EXPECT_NE(events.back().find("the courier ended 3 times while it took the file there"), std::string::npos)
        << events.back();
}

TEST(Deliveries, APlannedEndOfTheCourierIsNoFilesFault) {
    Bench bench;
    bench.add(1, 1);
    for (std::uint64_t generation = 1; generation < 9; ++generation) {
        const auto c = bench.courier(generation);
        EXPECT_EQ(bench.events(), Lines({"give 1/0"}));
        bench.dies(c, true);
    }
    EXPECT_TRUE(bench.notes.empty());
}

TEST(Deliveries, ACourierThatLeavesGetsNothingMoreAndGivesBackWhatItCannotEnd) {
    Bench bench;
    const auto c = bench.courier(1);
    bench.add(1, 1);
    bench.deliveries.courier_leaving(c);
    bench.add(2, 1);
    EXPECT_EQ(bench.events(), Lines({"give 1/0"}));
    bench.fails(c, "1/0", "drained");
    bench.courier(2);
    EXPECT_EQ(bench.events(), Lines({"give 1/0", "give 2/0"}));
}

TEST(Deliveries, WhatTheCourierDidNotTakeIsGivenAgainAMomentLater) {
    Bench bench;
    const auto c = bench.courier(1);
    bench.add(1, 1);
    EXPECT_EQ(bench.events(), Lines({"give 1/0"}));
    bench.deliveries.not_given(bench.now, c, "1/0");
    EXPECT_EQ(bench.events(), Lines());
    ASSERT_TRUE(bench.deliveries.next_wakeup());
    bench.now = *bench.deliveries.next_wakeup();
    bench.deliveries.on_time(bench.now);
    EXPECT_EQ(bench.events(), Lines({"give 1/0"}));
    EXPECT_GT(*bench.deliveries.next_wakeup(), bench.now + 1min) << "it is with the courier";
}

TEST(Deliveries, WithoutACourierAJobFailsWhenItsTimeIsOver) {
    Bench bench({.courier_patience = 60s});
    bench.add(1, 2);
    bench.events();
    bench.now = *bench.deliveries.next_wakeup();
    bench.deliveries.on_time(bench.now);
    const Lines events = bench.events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_NE(events[0].find("no courier has run for 1 min"), std::string::npos) << events[0];
    EXPECT_FALSE(bench.deliveries.next_wakeup());
}

TEST(Deliveries, ThePatienceWithoutACourierBeginsWhenItIsGone) {
    Bench bench({.courier_patience = 60s});
    const auto c = bench.courier(1, 1);
    bench.add(1, 2);
    bench.events();
    bench.now += 1h;
    bench.deliveries.progress(bench.now, {"1/0", {}, "", "", {}});
    bench.dies(c);
    bench.deliveries.on_time(bench.now);
    EXPECT_EQ(bench.events(), Lines({"record j1"})) << "the next one may be there in a moment";
    bench.courier(2);
    EXPECT_EQ(bench.events(), Lines({"give 1/0", "give 1/1"}));
}

TEST(Deliveries, ACourierThatWasMissedByNobodyIsWaitedForFromTheFirstFileOn) {
    Bench bench({.courier_patience = 60s});
    bench.dies(bench.courier(1), true);
    bench.now += 1h;
    bench.add(1, 1);
    bench.add(2, 1);
    bench.deliveries.on_time(bench.now);
    EXPECT_EQ(bench.events(), Lines());
    EXPECT_EQ(*bench.deliveries.next_wakeup(), bench.now + 60s);
}

TEST(Deliveries, ACourierThatSaysNothingOfAFileIsStopped) {
    Bench bench({.hand_patience = 60s});
    const auto c = bench.courier(1);
    bench.add(1, 2);
    bench.events();
    bench.now += 50s;
    ipc::Progress progress;
    progress.job_id = "1/0";
    bench.deliveries.progress(bench.now, progress);
    bench.now = *bench.deliveries.next_wakeup();
    bench.deliveries.on_time(bench.now);
    EXPECT_EQ(bench.events(), Lines({"stop courier: it has said nothing of \"f1\" for 1 min"}));
    bench.deliveries.on_time(bench.now + 60s);
    EXPECT_EQ(bench.events(), Lines()) << "once";
    bench.dies(c);
    bench.courier(2);
    EXPECT_EQ(bench.events().back(), "give 1/1");
}

TEST(Deliveries, WhatLastsIsSaidOnce) {
    Bench bench;
    const auto c = bench.courier(1);
    bench.add(1, 1);
    for (int i = 0; i < 3; ++i) {
        bench.events();
        bench.deliveries.not_given(bench.now, c, "1/0", "the disk is full");
        bench.now = *bench.deliveries.next_wakeup();
        bench.deliveries.on_time(bench.now);
    }
    bench.events();
    EXPECT_EQ(bench.notes, Lines({"no file can be given to the courier: the disk is full"}));
}

TEST(Deliveries, AResultThatBecameTooLargeFailsAndItsFilesAreKept) {
    Bench bench({.frame_bytes = 70'000});
    Delivery one = Bench::delivery(1, 1, 3'000);
    one.result = ipc::RawJson(R"({"a":{"$file":0},"b":{"$file":0},"c":{"$file":0}})");
    bench.deliveries.add(bench.now, one);
    const auto c = bench.courier(1);
    bench.events();
    EXPECT_LT(inline_limit(bench.last_given()), 3'000u) << "three times it does not fit";
    bench.done(c, "1/0", R"({"url":")" + std::string(4'000, 'u') + R"("})");
    const Lines events = bench.events();
    EXPECT_NE(events.back().find("[result_too_large] with the entries of its files"), std::string::npos)
        << events.back();
    EXPECT_NE(events.back().find("kept"), std::string::npos);
}

TEST(Deliveries, OnlyWhatFitsTheFrameMayStandInTheResult) {
    Bench bench({.frame_bytes = 200'000});
    const auto c = bench.courier(1, 3);
    bench.add(1, 3, 40'000);
    bench.events();
    std::vector<std::uint64_t> limits;
    for (const auto& action : bench.all)
        if (const auto* give = std::get_if<GiveFile>(&action)) limits.push_back(inline_limit(give->job));
    ASSERT_EQ(limits.size(), 3u);
    EXPECT_GE(limits[0], 40'000u);
    EXPECT_GE(limits[1], 40'000u);
    EXPECT_LT(limits[2], 40'000u) << "two of them fill it, with base64";
    bench.done(c, "1/0", R"({"data":")" + std::string(53'336, 'A') + R"("})");
    EXPECT_EQ(bench.events(), Lines()) << "an inline entry is not noted: it is read again after a restart";
}

TEST(Deliveries, ADeliveryThatWasDoneBeforeTheRestartEndsAtOnce) {
    Bench bench;
    Delivery one = Bench::delivery(1, 1);
    one.files[0].entry = R"({"url":"u"})";
    bench.deliveries.add(bench.now, one);
    EXPECT_EQ(bench.events(), Lines({R"(end j1 {"files":[{"name":"f0","url":"u"}]})"}));
}

TEST(Deliveries, AnAnswerWithoutAnEntryFailsTheFile) {
    Bench bench;
    const auto c = bench.courier(1);
    bench.add(1, 1);
    bench.events();
    bench.deliveries.file_delivered(bench.now, c, {"1/0", {R"({"status":"success"})"}, {}});
    EXPECT_NE(bench.events().back().find("[internal]"), std::string::npos);
}

TEST(Deliveries, ItsNewNumberIsNoted) {
    Bench bench;
    bench.add(1, 1);
    const auto c = bench.courier(1);
    bench.events();
    bench.deliveries.renumber(1, 5);
    EXPECT_EQ(bench.events(), Lines({"record j1"}));
    EXPECT_TRUE(bench.deliveries.holds(5));
    bench.done(c, "1/0");
    bench.events();
    EXPECT_EQ(std::get<EndDelivery>(bench.all.back()).delivery.number, 5u);
}

TEST(Deliveries, AnUploadThatWasBegunIsNotedAndTheNextCourierIsTold) {
    Bench bench;
    bench.add(1, 1);
    const auto first = bench.courier(1);
    bench.events();
    bench.deliveries.told(bench.now,
                          {"1/0", "results", "upload_begun", {{"store", "results"}, {"upload_id", "u7"}}});
    EXPECT_EQ(bench.events(), Lines({"record j1"}));
    const auto& noted = std::get<RecordDelivery>(bench.all.back());
    EXPECT_EQ(read_state(noted.state)->files[0].begun, R"({"store":"results","upload_id":"u7"})");
    bench.dies(first);
    bench.courier(2);
    bench.events();
    EXPECT_EQ(ipc::Json::parse(bench.last_given().payload.text()).at("begun").at("upload_id"), "u7");
    // What is none, and what nobody waits for.
    bench.deliveries.told(bench.now, {"1/0", "s", "prompt", {{"store", "x"}}});
    bench.deliveries.told(bench.now, {"9/0", "s", "upload_begun", {{"store", "x"}}});
    EXPECT_EQ(bench.events(), Lines());
}

TEST(Deliveries, WhatWasBegunOfADroppedJobIsTakenBackByTheNextCourier) {
    Bench bench;
    bench.add(1, 2);
    const auto first = bench.courier(1);
    bench.events();
    bench.deliveries.told(bench.now, {"1/1", "results", "upload_begun", {{"store", "results"}}});
    bench.dies(first);
    bench.deliveries.drop(bench.now, 1);
    EXPECT_EQ(bench.events().back(), "remove 1");
    EXPECT_FALSE(bench.deliveries.holds_folder("1")) << "if the job comes back, its files are others";
    const auto second = bench.courier(2);
    EXPECT_EQ(bench.events(), Lines{"give given-up/1/1"}) << "of the other file nothing was begun";
    const auto order = ipc::Json::parse(bench.last_given().payload.text());
    EXPECT_EQ(order.at("begun"), ipc::Json({{"store", "results"}}));
    EXPECT_EQ(order.at("given_up"), true);
    bench.done(second, "given-up/1/1", "{}");
    EXPECT_EQ(bench.events(), Lines()) << "nobody hears of it";
    EXPECT_EQ(bench.deliveries.size(), 0u);
}

TEST(Deliveries, ADeliveryInItsFormKeepsItsNameWhateverEndsTheCourierThen) {
    Bench bench;
    Delivery one = Bench::delivery(1, 1);
    one.convert.image = ipc::ImageWish{"webp", {}, {}, {}};
    one.files[0].image_name = "f0.webp";
    bench.deliveries.add(bench.now, std::move(one));
    const auto order = [&] { return ipc::Json::parse(bench.last_given().payload.text()); };
    auto courier = bench.courier(1);
    bench.events();
    EXPECT_FALSE(order().contains("formed"));
    bench.deliveries.told(bench.now, {"1/0", "f0", "form_made", ipc::Json::object()});
    EXPECT_EQ(bench.events(), Lines({"record j1"}));
    EXPECT_TRUE(read_state(std::get<RecordDelivery>(bench.all.back()).state)->files[0].formed);
    for (std::uint64_t generation = 2; generation < 4; ++generation) {
        bench.dies(courier);
        courier = bench.courier(generation);
        bench.events();
        EXPECT_EQ(order().value("formed", false), true);
        EXPECT_FALSE(order().contains("unconverted")) << "its conversion has not ended the courier";
        EXPECT_EQ(order().at("image_name"), "f0.webp");
    }
}

TEST(Deliveries, JobsTakeTurns) {
    Bench bench;
    bench.add(1, 5);
    const auto c = bench.courier(1, 2);
    EXPECT_EQ(bench.events(), Lines({"give 1/0", "give 1/1"})) << "nobody else wants a place";
    bench.add(2, 2);
    bench.add(3, 1);
    bench.done(c, "1/0");
    EXPECT_EQ(bench.events(), Lines({"record j1", "give 2/0"})) << "the oldest of those that have none";
    bench.done(c, "1/1");
    EXPECT_EQ(bench.events(), Lines({"record j1", "give 1/2"})) << "again the oldest";
    bench.done(c, "1/2");
    EXPECT_EQ(bench.events().back(), "give 1/3");
    bench.done(c, "2/0");
    EXPECT_EQ(bench.events().back(), "give 2/1");
    bench.fails(c, "1/3");
    EXPECT_EQ(bench.events().back(), "give 1/4");
    bench.done(c, "2/1");
    EXPECT_EQ(bench.events().back(), "give 3/0");
}

TEST(Deliveries, WhatIsToBeConvertedLeavesAPlaceToOthers) {
    Bench bench;
    Delivery slow = Bench::delivery(1, 4);
    slow.convert.image = ipc::ImageWish{"webp", {}, {}, {}};
    slow.files[3].file.strip_metadata = true;
    bench.deliveries.add(bench.now, std::move(slow));
    const auto c = bench.courier(1, 3);
    EXPECT_EQ(bench.events(), Lines({"give 1/0", "give 1/1"})) << "the third place stays free";
    bench.add(2, 1);
    EXPECT_EQ(bench.events(), Lines({"give 2/0"}));
    bench.done(c, "2/0");
    bench.events();
    bench.done(c, "1/1");
    EXPECT_EQ(bench.events().back(), "give 1/2");
    bench.dies(c);
    bench.courier(2, 1);
    EXPECT_EQ(bench.events().back(), "give 1/0") << "with a single place it gets that";
}

}  // namespace
}  // namespace emprops::files
