#include "connector-sdk/cpp/src/outgoing_queue.h"

#include <gmock/gmock.h>

#include "ipc/codec.h"

namespace emprops::sdk {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const TimePoint start{};

ipc::Progress progress_of(const std::string& job_id, int percent) {
    ipc::Progress progress;
    progress.job_id = job_id;
    progress.progress = percent;
    return progress;
}

/// What comes out at `now`, as "job percent" or the line itself.
std::vector<std::string> drain(OutgoingQueue& queue, TimePoint now) {
    std::vector<std::string> out;
    while (auto line = queue.next(now)) {
        line->pop_back();
        const auto decoded = ipc::decode_from_connector(*line);
        const auto* message = std::get_if<ipc::FromConnector>(&decoded);
        const auto* progress = message != nullptr ? std::get_if<ipc::Progress>(message) : nullptr;
        out.push_back(progress != nullptr ? progress->job_id + " " + std::to_string(*progress->progress)
                                          : *line);
    }
    return out;
}

TEST(OutgoingQueue, LinesComeOutInTheOrderTheyWentIn) {
    OutgoingQueue queue;
    queue.push("a\n");
    queue.push_droppable("b\n");
    queue.push("c\n");
    EXPECT_THAT(drain(queue, start), ElementsAre("a", "b", "c"));
    EXPECT_TRUE(queue.empty());
}

TEST(OutgoingQueue, TheFirstProgressIsNotLostToOneAMomentLater) {
    OutgoingQueue queue;
    queue.progress(progress_of("j", 0), start);
    queue.progress(progress_of("j", 20), start);
    EXPECT_THAT(drain(queue, start), ElementsAre("j 0"));
    EXPECT_THAT(drain(queue, start + milliseconds(50)), ElementsAre("j 20"));
}

TEST(OutgoingQueue, ProgressWithin50MsIsMergedAndTheNewestWins) {
    OutgoingQueue queue;
    queue.progress(progress_of("j", 1), start);
    EXPECT_THAT(drain(queue, start), ElementsAre("j 1"));
    queue.progress(progress_of("j", 2), start + milliseconds(10));
    queue.progress(progress_of("j", 3), start + milliseconds(20));
    EXPECT_THAT(drain(queue, start + milliseconds(49)), IsEmpty());
    EXPECT_EQ(queue.next_due(), start + milliseconds(50));
    EXPECT_FALSE(queue.empty());
    EXPECT_THAT(drain(queue, start + milliseconds(50)), ElementsAre("j 3"));
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.next_due(), std::nullopt);
}

TEST(OutgoingQueue, AProgressAfterAPauseGoesOutAtOnce) {
    OutgoingQueue queue;
    queue.progress(progress_of("j", 1), start);
    drain(queue, start);
    queue.progress(progress_of("j", 2), start + milliseconds(50));
    EXPECT_THAT(drain(queue, start + milliseconds(50)), ElementsAre("j 2"));
}

TEST(OutgoingQueue, JobsAreThrottledEachForItself) {
    OutgoingQueue queue;
    queue.progress(progress_of("a", 1), start);
    queue.progress(progress_of("b", 1), start);
    queue.progress(progress_of("a", 2), start);
    EXPECT_THAT(drain(queue, start), ElementsAre("a 1", "b 1"));
    EXPECT_THAT(drain(queue, start + milliseconds(50)), ElementsAre("a 2"));
}

TEST(OutgoingQueue, TheLastProgressStandsBeforeTheOutcome) {
    OutgoingQueue queue;
    queue.progress(progress_of("j", 1), start);
    drain(queue, start);
    queue.progress(progress_of("j", 99), start);
    queue.finish("j", "done\n");
    EXPECT_THAT(drain(queue, start), ElementsAre("j 99", "done"));
    EXPECT_TRUE(queue.empty());
}

TEST(OutgoingQueue, AFloodWhileNobodyReadsKeepsTwoProgressLinesOfAJob) {
    OutgoingQueue queue;
    for (int i = 0; i < 10'000; ++i)
        queue.progress(progress_of("j", i % 101), start + milliseconds(i));
    queue.progress(progress_of("j", 77), start + milliseconds(10'000));
    EXPECT_THAT(drain(queue, start + milliseconds(20'000)), ElementsAre("j 0", "j 77"));
}

TEST(OutgoingQueue, AJobThatIsGivenAgainStartsWithoutAThrottle) {
    OutgoingQueue queue;
    queue.progress(progress_of("j", 1), start);
    queue.finish("j", "done\n");
    queue.progress(progress_of("j", 5), start);
    EXPECT_THAT(drain(queue, start), ElementsAre("j 1", "done", "j 5"));
}

TEST(OutgoingQueue, LogLinesBeyondTheLimitAreDroppedAndCountedButOutcomesAreNot) {
    OutgoingLimits limits;
    limits.droppable_bytes = 10;
    OutgoingQueue queue(limits);
    queue.push_droppable("12345678\n");
    queue.push_droppable("lost\n");
    queue.push("a result that is longer than ten bytes\n");
    EXPECT_EQ(queue.dropped(), 1u);
    EXPECT_THAT(drain(queue, start), ElementsAre("12345678", "a result that is longer than ten bytes"));
    queue.push_droppable("again\n");
    EXPECT_THAT(drain(queue, start), ElementsAre("again"));
}

TEST(OutgoingQueue, AProgressThatIsTooLongIsSentWithoutItsDetails) {
    OutgoingLimits limits;
    limits.max_line_bytes = 200;
    OutgoingQueue queue(limits);
    ipc::Progress progress = progress_of("j", 5);
    progress.details = {{"data", std::string(1000, 'x')}};
    queue.progress(progress, start);
    const auto line = queue.next(start);
    ASSERT_TRUE(line);
    EXPECT_LE(line->size(), 200u);
    EXPECT_THAT(*line, ::testing::HasSubstr("\"progress\":5"));
}

TEST(OutgoingQueue, ClearForgetsEverything) {
    OutgoingQueue queue;
    queue.push("a\n");
    queue.progress(progress_of("j", 1), start);
    queue.progress(progress_of("j", 2), start);
    queue.clear();
    EXPECT_TRUE(queue.empty());
    EXPECT_THAT(drain(queue, start + milliseconds(100)), IsEmpty());
}

}  // namespace
}  // namespace emprops::sdk
