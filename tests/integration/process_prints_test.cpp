// What connectors and services print beside their messages, as real processes: it is harmless, told where people look,
// and a message that it damages is named at once.

#include <gmock/gmock.h>

#include <csignal>

#include "supervisor/process/pipes/newest_state.h"
#include "tests/support/process_fleet_driver.h"

namespace emprops::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* say_ready =
    R"(echo '{"type":"ready","protocol":1,"job_types":["t"],"concurrency":4}'; )";
/// `does` is done for each job; $id is its id in quotes.
std::string for_each_job(const std::string& does) {
    return R"(job='"type":"job","job_id":("[^"]*")'
while IFS= read -r line; do [[ $line =~ $job ]] || continue; id=${BASH_REMATCH[1]}; )" +
           does + "\ndone";
}
constexpr const char* say_result = R"(echo '{"type":"result","job_id":'$id',"result":{"ok":1}}')";

struct Prints : testing::Test {
    static config::ConnectorSettings shell(const std::string& script) {
        auto settings = fault_settings("c", "echo");
        settings.command = {"/bin/bash", "-c", script};
        return settings;
    }
    void watch() {
        driver.fleet->subscribe("c", process::Fleet::Lines::for_people,
                                [this](const process::TraceLine& line) {
                                    seen.push_back(line.text);
                                    if (line.state) states.push_back(line.text);
                                });
    }
    bool start(const std::string& script) {
        watch();
        return driver.start({shell(script)});
    }
    /// The error of the job, which must come soon.
    std::string error_of(const std::string& job_id) {
        if (!driver.give(*driver.newest("c"), job_id)) return "not given";
        driver.run_until([&] { return !driver.errors.empty() || driver.result(job_id); });
        return driver.errors.empty() ? "" : driver.errors[0].job_id + ": " + driver.errors[0].message;
    }

    std::vector<std::string> seen;
    std::vector<std::string> states;
    FleetDriver driver;  // it still tells while it ends
};

TEST_F(Prints, OfEveryFormAreHarmlessCountedAndInTheLog) {
    ASSERT_TRUE(start(say_ready + for_each_job(R"(
cat <<'END'
{"level":40,"time":1764435600000,"pid":7,"hostname":"gpu","msg":"model loaded"}
{"event":"step 3 of 20","level":"info","timestamp":"2026-01-01T00:00:00Z"}
{"type":"log","level":30,"msg":"of a type that we have"}
{'loss': 0.12, 'epoch': 1}
{1, 2, 3}
{"type":"progress","value":3,"max":20}
{
  "steps": 3
}
{"type":"telemetry"}
END
)") + "\n" + say_result));
    // The result stands behind the loop in no line of it: the job is still held.
    const InstanceId id = *driver.newest("c");
    ASSERT_TRUE(driver.give(id, "j"));
    ASSERT_TRUE(driver.run_until([&] { return driver.status("c").counters.stray_lines == 10; }));
    EXPECT_TRUE(driver.errors.empty());
    EXPECT_EQ(driver.status("c").counters.protocol_errors, 0u);
    EXPECT_THAT(seen, Contains("warn: model loaded"));
    EXPECT_THAT(seen, Contains("info: step 3 of 20"));
    EXPECT_THAT(seen, Contains(HasSubstr("info: of a type that we have")));
    EXPECT_THAT(seen, Contains(HasSubstr("{'loss': 0.12")));
    EXPECT_THAT(seen, Contains(HasSubstr("\"telemetry\"")));
    EXPECT_THAT(driver.why("c"), HasSubstr("it last printed"));
}

TEST_F(Prints, AMessageBehindOneCountsIfItIsWhole) {
    ASSERT_TRUE(start(say_ready + for_each_job(std::string("printf 'step 3... '; ") + say_result)));
    EXPECT_EQ(driver.result_of("c", "j"), R"({"ok":1})");
    EXPECT_THAT(seen, Contains(AllOf(HasSubstr("a print without a line break (\"step 3... \")"),
                                     HasSubstr("result"))));
    EXPECT_THAT(driver.why("c"), HasSubstr("a print without a line break"));
}

TEST_F(Prints, AResultBehindOneThatIsNotWholeFailsItsJobAtOnce) {
    ASSERT_TRUE(
        start(say_ready +
              for_each_job(R"(echo 'sent {"type":"result","job_id":'$id',"result":{"secret":1}} to it')")));
    EXPECT_THAT(error_of("j"),
                AllOf(HasSubstr("j: "), HasSubstr("a print without a line break stands before this result"),
                      Not(HasSubstr("secret"))));
    EXPECT_EQ(driver.errors[0].code, ipc::code::protocol_error);
    EXPECT_THAT(testing::PrintToString(seen), Not(HasSubstr("secret")));
}

TEST_F(Prints, AResultOverSeveralLinesFailsTheOnlyJob) {
    ASSERT_TRUE(start(
        say_ready +
        for_each_job(R"(printf '{\n  "type": "result",\n  "job_id": %s,\n  "result": {}\n}\n' "$id")")));
    EXPECT_THAT(error_of("j"), AllOf(HasSubstr("j: "), HasSubstr("pretty printing")));
}

TEST_F(Prints, ABrokenMessageFailsTheJobThatItNamesOrEndsAndNoOther) {
    ASSERT_TRUE(start(say_ready + for_each_job(R"(
echo '{"type":"status","connected":"no"}'
echo '{"type":"progress","progress":NaN}'
echo "{'type': 'result', 'result': {}}"
echo "{'type': 'result', 'job_id': "$id", 'result': {}}")")));
    const InstanceId id = *driver.newest("c");
    ASSERT_TRUE(driver.give(id, "j1"));
    ASSERT_TRUE(
        driver.run_until([&] { return !driver.errors.empty() && driver.errors.back().job_id == "j1"; }));
    EXPECT_EQ(driver.errors[0].job_id, "") << "a status is no job's";
    ASSERT_TRUE(driver.give(id, "j2"));
    ASSERT_TRUE(driver.run_until([&] { return driver.errors.back().job_id == "j2"; }));
    for (const auto& error : driver.errors) {
        if (error.job_id == "j2") {
            EXPECT_EQ(&error, &driver.errors.back()) << "two ran: only the one that is named";
        }
    }
}

TEST_F(Prints, AByteOrderMarkBeforeReadyIsSkipped) {
    EXPECT_TRUE(start(std::string(R"(printf '\xef\xbb\xbf \t')") + "\n" + say_ready + "cat >/dev/null"));
}

TEST_F(Prints, WhatLookedLikeReadyIsNamedInWhy) {
    const std::string words[] = {"had text in front (\"loading... \")", "is UTF-16", "did you mean \"ready\"",
                                 "pretty printing"};
    const std::string scripts[] = {
        std::string("printf 'loading... ';") + say_ready,
        R"(printf '{\0"\0t\0y\0p\0e\0"\0:\0"\0r\0e\0a\0d\0y\0"\0}\0\n\0';)",
        R"(echo '{"type":"READY","protocol":1}';)",
        R"(printf '{\n  "type": "ready",\n  "protocol": 1\n}\n';)",
    };
    for (std::size_t i = 0; i < std::size(words); ++i) {
        driver.fleet->configure({shell(scripts[i] + " exec cat >/dev/null")});
        EXPECT_TRUE(driver.run_until([&] { return driver.why("c").find(words[i]) != std::string::npos; }))
            << words[i] << ": " << driver.why("c");
    }
}

TEST_F(Prints, AFeatureThatNobodyKnowsIsNamed) {
    ASSERT_TRUE(start(
        R"(echo '{"type":"ready","protocol":1,"job_types":["t"],"features":["pings"]}'; cat >/dev/null)"));
    EXPECT_THAT(driver.why("c"), AllOf(HasSubstr("c is ready"), HasSubstr("did you mean \"ping\"")));
}

TEST_F(Prints, AReadyThatComesWithTheEndOnlyIsNamed) {
    auto settings = shell("cat >/dev/null; " + std::string(say_ready));
    settings.supervision.start_timeout = 200ms;
    settings.supervision.backoff_initial = settings.supervision.backoff_max = 60s;
    driver.fleet->configure({settings});
    ASSERT_TRUE(driver.run_until_state("c", State::backoff));
    EXPECT_THAT(driver.why("c"), AllOf(HasSubstr("did not say ready in time"), HasSubstr("not flushed")));
}

TEST_F(Prints, TheLastLineOfADeathIsInWhyAndItsMessagesInTheLogs) {
    auto settings = shell(say_ready + for_each_job("echo \"KeyError: 'missing'\" >&2; exit 3"));
    settings.supervision.backoff_initial = settings.supervision.backoff_max = 60s;
    watch();
    ASSERT_TRUE(driver.start({settings}));
    const InstanceId id = *driver.newest("c");
    ASSERT_TRUE(driver.give(id, "j"));
    ASSERT_TRUE(driver.run_until([&] { return driver.is_gone(id); }));
    EXPECT_THAT(driver.why("c"), HasSubstr("its last line: \"KeyError: 'missing'\""));
    EXPECT_THAT(seen, Contains("KeyError: 'missing'"));
    EXPECT_THAT(seen, Contains(HasSubstr("> {\"type\":\"job\",\"job_id\":\"j\"")));
}

/// 40 states of a bar to `stream`, which then stands still.
std::string bar(const std::string& stream) {
    return R"(for i in {1..40}; do printf '\rmodel: %d/40 [a text]' $i >&)" + stream + "; done; ";
}

TEST_F(Prints, TheNewestStateOfAProgressBarIsToldWithinSecondsAndInTheReport) {
    ASSERT_TRUE(start(say_ready + bar("2") + bar("1") + "exec sleep 60"));
    const InstanceId id = *driver.newest("c");
    ASSERT_TRUE(driver.run_until([&] { return states.size() == 2; }, 4 * process::NewestState::interval));
    EXPECT_THAT(states, testing::Each(HasSubstr("model: 40/40 [a text]")));
    EXPECT_EQ(driver.status("c").counters.stray_lines, 0u) << "its line has not ended";
    ::kill(driver.status("c").pid, SIGKILL);
    ASSERT_TRUE(driver.run_until([&] { return driver.is_gone(id); }));
    EXPECT_THAT(driver.report_of(id)->stderr_tail, ElementsAre("model: 40/40 [a text]"));
    EXPECT_THAT(driver.report_of(id)->last_messages, Contains("< model: 40/40 [a text]"));
}

TEST_F(Prints, AMessageBehindAProgressBarThatReturnedIsALineOfItsOwn) {
    ASSERT_TRUE(start(say_ready + for_each_job(R"(printf '\r1/2\r2/2\r'; )" + std::string(say_result))));
    EXPECT_EQ(driver.result_of("c", "j"), R"({"ok":1})");
    EXPECT_EQ(driver.status("c").counters.stray_lines, 1u);
    EXPECT_THAT(testing::PrintToString(seen), Not(HasSubstr("without a line break")));
}

TEST_F(Prints, AFloodOfStatesNeitherStopsNorFillsAnything) {
    ASSERT_TRUE(start(say_ready + for_each_job(std::string(say_result)) + " & " +
                      R"(for ((i = 0;; i++)); do printf '\rspinner %d' $i; done >&2)"));
    const InstanceId id = *driver.newest("c");
    ASSERT_TRUE(driver.run_until([&] { return states.size() >= 2; }, 5 * process::NewestState::interval));
    EXPECT_EQ(seen.size(), states.size());
    EXPECT_FALSE(driver.is_gone(id));
}

TEST_F(Prints, OfAServiceTheNewestStateIsInItsReport) {
    watch();
    auto settings = shell(say_ready + std::string("cat >/dev/null"));
    settings.service.command = {"/bin/bash", "-c", "echo loading >&2; " + bar("2") + "kill -SEGV $$"};
    settings.service.supervision.backoff_initial = settings.service.supervision.backoff_max = 60s;
    driver.fleet->configure({settings});
    ASSERT_TRUE(driver.run_until([&] {
        const auto service = driver.status("c").service;
        return service && service->last_death;
    }));
    EXPECT_THAT(driver.status("c").service->last_death->stderr_tail,
                ElementsAre("loading", "model: 40/40 [a text]"));
    EXPECT_THAT(driver.why("c"), HasSubstr("its last line: \"model: 40/40 [a text]\""));
    EXPECT_THAT(seen, Contains("service: model: 40/40 [a text]"));
}

}  // namespace
}  // namespace emprops::test
