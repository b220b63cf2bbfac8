// What people see of a connector: evidence, cut lines, the sentence of a death.

#include "supervisor/process/evidence.h"
#include "ipc/text/people.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

namespace emprops::process {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(Evidence, KeepsTheLastLinesOfEachKind) {
    Evidence evidence(2, 2);
    for (const char* line : {"one", "two", "three"})
        evidence.add_stderr(line, false);
    evidence.add_sent("a");
    evidence.add_received("b");
    evidence.add_sent("c");
    DeathReport report;
    evidence.fill(report);
    EXPECT_THAT(report.stderr_tail, ElementsAre("two", "three"));
    EXPECT_THAT(report.last_messages, ElementsAre("< b", "> c"));
}

TEST(Evidence, OfNothingIsKeptWhenNothingIsWanted) {
    Evidence evidence(0, 0);
    evidence.add_stderr("x", false);
    DeathReport report;
    evidence.fill(report);
    EXPECT_TRUE(report.stderr_tail.empty());
}

TEST(Evidence, OfALineThatIsWrittenOverTheNewestStateIsKept) {
    Evidence evidence(2, 0);
    evidence.add_stderr("loading", true);
    for (const char* state : {"1%", "50%", "99%"})
        evidence.add_stderr(state, true, {Pipe::err, true});
    DeathReport report;
    evidence.fill(report);
    EXPECT_THAT(report.stderr_tail, ElementsAre("loading", "99%"));
    evidence.add_stderr("another stream", true, {Pipe::out, false});
    evidence.add_stderr("7%", true, {Pipe::err, true});
    evidence.add_stderr("100%", false);
    evidence.fill(report);
    EXPECT_THAT(report.stderr_tail, ElementsAre("another stream", "100%"));
    EXPECT_THAT(evidence.unlogged_stderr(), ElementsAre("100%"));
    EXPECT_EQ(report.last_line(), "100%");
}

TEST(DeathReport, TheLastLineIsNotBlankAndCutBetweenCharacters) {
    DeathReport report;
    report.exit_code = 1;
    EXPECT_EQ(report.summary_with_last_line(), report.summary());
    report.stderr_tail = {"KeyError: 'x'", " \t"};
    EXPECT_EQ(report.summary_with_last_line(), report.summary() + "; its last line: \"KeyError: 'x'\"");
    report.stderr_tail = {std::string(299, 'x') + "\u00e9"};
    EXPECT_EQ(report.last_line(), std::string(299, 'x') + "\u2026");
}

TEST(Shown, PayloadsSettingsAndResultsAreCut) {
    ipc::Job job;
    job.job_id = "j";
    job.payload = {R"({"k":"secret"})"};
    EXPECT_THAT(shown(job), testing::AllOf(HasSubstr("\"job_id\":\"j\""), HasSubstr("<14 bytes>"),
                                           Not(HasSubstr("secret"))));
    ipc::Hello hello;
    hello.settings = {{"key", "secret"}};
    EXPECT_THAT(shown(hello), testing::AllOf(HasSubstr("hello"), Not(HasSubstr("secret"))));
    const ipc::JobResult result{"j", {R"({"k":"secret"})"}};
    EXPECT_THAT(shown(result, R"({"type":"result","job_id":"j","result":{"k":"secret"}})"),
                testing::AllOf(HasSubstr("\"job_id\":\"j\""), Not(HasSubstr("secret"))));
    const ipc::ServiceRequest request{"j", "s", "t", {{"prompt", "secret"}}};
    EXPECT_THAT(shown(request, "secret"), Not(HasSubstr("secret")));
}

TEST(Shown, OtherLinesAreShownAsTheyAre) {
    EXPECT_EQ(shown(ipc::Pong{7}, R"({"type":"pong", "id":7})"), R"({"type":"pong", "id":7})");
    EXPECT_EQ(shown(ipc::Ping{7}), R"({"type":"ping","id":7})");
}

TEST(Evidence, KnowsWhichOfTheLastLinesTheLogDoesNotHave) {
    Evidence evidence(3, 0);
    evidence.add_stderr("dropped and forgotten", false);
    evidence.add_stderr("logged", true);
    evidence.add_stderr("dropped", false);
    evidence.add_stderr("dropped too", false);
    EXPECT_THAT(evidence.unlogged_stderr(), ElementsAre("dropped", "dropped too"));
}

TEST(Evidence, LongLinesAreCutInIt) {
    Evidence evidence(1, 1);
    evidence.add_received(std::string(5000, 'x'));
    DeathReport report;
    evidence.fill(report);
    EXPECT_EQ(report.last_messages.at(0), "< " + std::string(shown_line_bytes, 'x') + "...");
}

TEST(Shown, OfABrokenLineOnlyWhatIsNoSecret) {
    const std::string line = R"({"type":"result","job_id":"j","result":{"k":"secret"},})";
    const auto decoded = ipc::decode_from_connector(line);
    const std::string text = shown(std::get<ipc::Malformed>(decoded), line.size());
    EXPECT_THAT(text, testing::AllOf(HasSubstr("\"result\""), HasSubstr("job j"), HasSubstr("byte 54"),
                                     HasSubstr("55 bytes"), Not(HasSubstr("secret"))));
}

TEST(Shown, OfAnUnknownTypeOnlyTheType) {
    const std::string text = shown(ipc::Unknown{"results"}, R"({"type":"results","result":{"k":"secret"}})");
    EXPECT_THAT(text, testing::AllOf(HasSubstr("results"), Not(HasSubstr("secret"))));
}

TEST(Cut, NeverIntoTheMiddleOfACharacter) {
    std::string text(shown_line_bytes - 1, 'a');
    text += "\xE2\x82\xAC\xE2\x82\xAC";  // two euro signs over the limit
    EXPECT_EQ(cut(text), std::string(shown_line_bytes - 1, 'a') + "...");
    EXPECT_EQ(cut("short"), "short");
}

TEST(DeathReport, SaysHowAndWhyInOneSentence) {
    DeathReport report;
    report.signal = SIGKILL;
    report.uptime = 125s;
    report.peak_rss_bytes = std::uint64_t{1288490189};
    report.cpu = 34s;
    report.stopped_for = StopReason::hung;
    report.jobs_held = {"X"};
    EXPECT_EQ(report.summary(), "killed by SIGKILL after " + human_duration(125s) +
                                    " (peak RSS 1.2 GiB, CPU " + human_duration(34s) +
                                    "), because it hung while running job X");
}

TEST(DeathReport, OfAProcessThatNeverRanNamesTheReason) {
    DeathReport report;
    report.start_error = "no such file";
    EXPECT_EQ(report.summary(), "did not start: no such file");
}

TEST(DeathReport, OfAFailedInitKeepsTheExitCode) {
    DeathReport report;
    report.exit_code = 1;
    report.start_error = "x.no_gpu: no GPU here";
    EXPECT_THAT(report.summary(), testing::AllOf(HasSubstr("exited with code 1"), HasSubstr("no GPU here")));
}

}  // namespace
}  // namespace emprops::process
