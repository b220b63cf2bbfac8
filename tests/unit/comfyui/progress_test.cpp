// How far a run is, told in numbers that are near the truth, and in words where there are no numbers.

#include "connectors/comfyui/job/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/comfyui/job/report.h"
#include "connectors/comfyui/job/times.h"

namespace emprops::comfyui::progressing {
namespace {

using testing::HasSubstr;

TimePoint at(int ms) {
    return TimePoint{} + Ms{ms};
}

std::vector<Node> sampling_graph() {
    return {{"1", "CheckpointLoader", "CheckpointLoader", {}},
            {"2", "KSampler", "KSampler", {"1"}},
            {"3", "VAEDecode", "VAEDecode", {"2"}},
            {"4", "SaveImage", "SaveImage", {"3"}}};
}

// ---- TimeBook

TEST(TimeBook, LearnsRunsPerShape) {
    TimeBook book;
    EXPECT_FALSE(book.left("s", Ms{0}, 0, 95));
    book.learn_run("s", Ms{10'000}, 1);
    EXPECT_EQ(book.left("s", Ms{4'000}, 10, 95), Ms{6'000});
    EXPECT_EQ(book.left("s", Ms{12'000}, 47.5, 95), Ms{12'000}) << "past it, by what is done";
    EXPECT_FALSE(book.left("s", Ms{12'000}, 0, 95)) << "nothing to reckon with";
    EXPECT_FALSE(book.left("t", Ms{0}, 0, 95));
    book.learn_run("t", Ms{10'000}, 0.1);
    EXPECT_FALSE(book.run("t")) << "nearly all of it came out of the cache";
}

TEST(TimeBook, ANodeCountsAsItTookLastTimeAboveAll) {
    TimeBook book;
    EXPECT_EQ(book.node("VAEDecode"), TimeBook::guess("VAEDecode"));
    EXPECT_GT(book.node("KSamplerAdvanced"), book.node("VAEDecode"));
    book.learn_node("VAEDecode", Ms{40'000});
    EXPECT_EQ(book.node("VAEDecode"), Ms{40'000});
    book.learn_node("VAEDecode", Ms{20'000});
    EXPECT_EQ(book.node("VAEDecode"), Ms{30'000});
    book.learn_node("Fast", Ms{0});
    EXPECT_GT(book.node("Fast"), Ms{0});
}

TEST(TimeBook, ForgetsTheLeastLatelyLearned) {
    Means means(2);
    means.learn("a", 1, 0.5);
    means.learn("b", 1, 0.5);
    means.learn("a", 1, 0.5);
    means.learn("c", 1, 0.5);
    EXPECT_TRUE(means.of("a") && means.of("c"));
    EXPECT_FALSE(means.of("b"));
}

// ---- NodeClock

TEST(NodeClock, ANodeTakesUntilTheNextOneBeginsOrItIsDone) {
    NodeClock clock;
    TimeBook book;
    clock.on_event(Executing{"1"}, at(0));
    clock.on_event(Executing{"2"}, at(100));
    clock.on_event(ProgressState{{{"2", "2", 1, 20, false}}}, at(2'000));
    clock.on_event(Executing{"3"}, at(40'100));
    clock.on_event(Succeeded{}, at(42'100));
    clock.teach(book, sampling_graph());
    EXPECT_EQ(book.node("CheckpointLoader"), Ms{100});
    EXPECT_EQ(book.node("KSampler"), Ms{40'000});
    EXPECT_EQ(book.node("VAEDecode"), Ms{2'000});
    EXPECT_EQ(book.node("SaveImage"), TimeBook::guess("SaveImage")) << "it came out of the cache";
}

TEST(NodeClock, NodesThatRunBesideOthersAndInExpansionsTakeUntilTheirOwnEnd) {
    NodeClock clock;
    TimeBook book;
    clock.on_event(ProgressState{{{"2", "2", 0, 1, false}, {"3", "3", 0, 1, false}}}, at(0));
    clock.on_event(Executing{"2"}, at(0));
    clock.on_event(Executing{"3"}, at(0));
    clock.on_event(ProgressState{{{"2", "2", 1, 1, true}, {"2.0.1", "2", 0, 1, false}}}, at(500));
    clock.on_event(
        ProgressState{{{"2", "2", 1, 1, true}, {"2.0.1", "2", 1, 1, true}, {"3", "3", 1, 1, true}}}, at(900));
    clock.on_event(ProgressState{{{"2", "2", 1, 1, true}, {"3", "3", 1, 1, true}}}, at(5'000));
    clock.on_event(Ended{}, at(900));
    clock.teach(book, sampling_graph());
    EXPECT_EQ(book.node("KSampler"), Ms{900});
    EXPECT_EQ(book.node("VAEDecode"), Ms{900});
    clock.restart();
    TimeBook other;
    clock.teach(other, sampling_graph());
    EXPECT_EQ(other.node("KSampler"), TimeBook::guess("KSampler"));
}

// ---- Progress

TEST(Progress, ANodeThatTookLongLastTimeIsMostOfTheWay) {
    TimeBook book;
    book.learn_node("CheckpointLoader", Ms{2'000});
    book.learn_node("KSampler", Ms{36'000});
    book.learn_node("VAEDecode", Ms{1'500});
    book.learn_node("SaveImage", Ms{500});
    Progress progress(sampling_graph(), book);
    progress.on_event(Started{});
    progress.on_event(Executing{"1"});
    progress.on_event(Executing{"2"});
    EXPECT_NEAR(progress.percent(), 95 * 2.0 / 40, 0.01);
    progress.on_event(ProgressState{{{"1", "1", 1, 1, true}, {"2", "2", 10, 20, false}}});
    EXPECT_NEAR(progress.percent(), 95 * 20.0 / 40, 0.01);
    progress.on_event(Executing{"3"});
    progress.on_event(
        ProgressState{{{"1", "1", 1, 1, true}, {"2", "2", 20, 20, true}, {"3", "3", 0, 1, false}}});
    EXPECT_NEAR(progress.percent(), 95 * 38.0 / 40, 0.01);
}

TEST(Progress, CachedNodesAndThoseOfNobodysOutputWeighNothing) {
    TimeBook book;
    book.learn_node("CheckpointLoader", Ms{60'000});
    book.learn_node("KSampler", Ms{3'000});
    book.learn_node("VAEDecode", Ms{1'000});
    Progress progress(sampling_graph(), book);
    progress.expect_outputs({"3"});
    progress.on_event(Cached{{"1"}});
    progress.on_event(Executing{"2"});
    progress.on_event(Executing{"3"});
    EXPECT_NEAR(progress.percent(), 95 * 3.0 / 4, 0.01);
}

TEST(Progress, TheNumberNeverFallsAndNeverPassesTheEndOfARun) {
    TimeBook book;
    book.learn_node("KSampler", Ms{1});
    Progress progress(sampling_graph(), book);
    double last = 0;
    const auto rises = [&](const EventBody& event) {
        progress.on_event(event);
        EXPECT_GE(progress.percent(), last);
        EXPECT_LE(progress.percent(), run_share);
        last = progress.percent();
    };
    rises(Executing{"1"});
    rises(Executing{"2"});
    for (int step = 0; step <= 20; ++step) {
        rises(ProgressState{{{"2", "2", static_cast<double>(step), 20, false}}});
    }
    rises(
        ProgressState{{{"2", "2", 20, 20, true}, {"2.0.1", "2", 0, 4, false}, {"new", "new", 0, 9, false}}});
    rises(Executing{"3"});
    rises(NodeProgress{"3", 1, 2});
    rises(NodeProgress{"3", 0, 50});
    rises(Succeeded{});
}

TEST(Progress, ANodeThatSaysHowItGoesIsTheOneThatIsToldOf) {
    Progress progress(sampling_graph());
    progress.on_event(Executing{"2"});
    progress.on_text({"2", "Status: queued, Time elapsed: 5s"});
    EXPECT_EQ(progress.message(), "KSampler: Status: queued, Time elapsed: 5s");
    progress.on_text({"3.0.1", "rendering"});
    EXPECT_EQ(progress.message(), "VAEDecode: rendering");
    progress.on_event(Executing{"4"});
    EXPECT_EQ(progress.message(), "SaveImage");
    progress.on_text({"unknown", "x"});
    EXPECT_EQ(progress.message(), "SaveImage: x");
}

// ---- Report: words without events

struct WordsTest : testing::Test {
    std::string last() const { return said.empty() ? "" : said.back().second; }
    double percent() const { return said.empty() ? -1 : said.back().first; }

    std::vector<Node> nodes = sampling_graph();
    PreviewSettings previews;
    TimeBook times;
    std::vector<std::pair<double, std::string>> said;
    Report report{nodes, previews, times, [this](double percent, const std::string& message, const Json&) {
                      said.emplace_back(percent, message);
                  }};
};

TEST_F(WordsTest, WithoutASocketItSaysSinceWhenTheWorkflowRuns) {
    report.on_position(0, 1, {"4"}, at(0));
    report.tell("p", at(0));
    EXPECT_THAT(last(), HasSubstr("ComfyUI is running it"));
    report.tell("p", at(9'999));
    EXPECT_EQ(said.size(), 1u);
    report.tell("p", at(23'000));
    EXPECT_THAT(last(), HasSubstr(", for 20 s"));
    report.tell("p", at(29'000));
    EXPECT_EQ(said.size(), 2u);
}

TEST_F(WordsTest, WithoutASocketTheTimeOfTheLastRunIsTheNumber) {
    times.learn_run(graph_shape(nodes), Ms{100'000}, 1);
    report.on_position(0, 1, {}, at(0));
    report.tell("p", at(30'000));
    EXPECT_NEAR(percent(), 95 * 0.3, 0.1);
    report.tell("p", at(30'050));
    EXPECT_EQ(said.size(), 1u) << "less than anybody sees";
    report.tell("p", at(500'000));
    EXPECT_NEAR(percent(), 95 * 0.9, 0.1) << "its end was not seen";
    report.on_event(Started{}, at(500'000));
    report.on_event(Executing{"1"}, at(500'000));
    report.tell("p", at(500'000));
    EXPECT_NEAR(percent(), 95 * 0.9, 0.1) << "never back";
}

TEST_F(WordsTest, AComfyUiThatDoesNotAnswerIsToldWithTheReasonAndTheTime) {
    report.on_event(Started{}, at(0));
    report.on_event(Executing{"2"}, at(0));
    report.tell("p", at(0));
    report.on_trouble("connection refused");
    report.tell("p", at(1'000));
    EXPECT_EQ(last(), "ComfyUI does not answer: connection refused");
    report.tell("p", at(31'000));
    EXPECT_EQ(last(), "ComfyUI does not answer: connection refused, for 30 s");
    report.on_trouble("");
    report.tell("p", at(32'000));
    EXPECT_EQ(last(), "KSampler");
}

TEST_F(WordsTest, ANodeWithoutStepsIsToldWithItsTime) {
    report.on_event(Started{}, at(0));
    report.on_event(Executing{"3"}, at(0));
    report.tell("p", at(0));
    report.tell("p", at(12'000));
    EXPECT_EQ(last(), "VAEDecode, for 10 s");
    report.on_event(Executing{"4"}, at(13'000));
    report.tell("p", at(13'000));
    EXPECT_EQ(last(), "SaveImage");
}

TEST_F(WordsTest, ARunThatEndedWellTeachesItsNodes) {
    report.on_event(Started{}, at(0));
    report.on_event(Executing{"2"}, at(0));
    report.on_event(Executing{"3"}, at(30'000));
    report.on_event(Succeeded{}, at(31'000));
    report.learn(Ms{31'000}, 0);
    EXPECT_EQ(times.node("KSampler"), Ms{30'000});
    EXPECT_EQ(times.run(graph_shape(nodes)), Ms{31'000});
}

// ---- text frames

TEST(NodeText, ATextFrameIsReadOnOneLine) {
    const auto frame = [](const std::string& node, const std::string& text) {
        return std::string("\0\0\0\3\0\0\0", 7) + static_cast<char>(node.size()) + node + text;
    };
    const auto read = read_node_text(frame("12", "Status: queued\nPrice: $0.04\r\n  Time elapsed:\t5s \n"));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->node, "12");
    EXPECT_EQ(read->text, "Status: queued, Price: $0.04, Time elapsed: 5s");
    EXPECT_EQ(read_node_text(frame("1", std::string(5000, 'x')))->text.size(), 303u);
    for (const std::string& wrong :
         {frame("1", "\n \n"), frame("1", ""), std::string("\0\0\0\3", 4),
          std::string("\0\0\0\3\0\0\0\x63zz", 10), std::string("\0\0\0\1\0\0\0\1zz", 10)}) {
        EXPECT_FALSE(read_node_text(wrong));
    }
}

}  // namespace
}  // namespace emprops::comfyui::progressing
