#include "connector-sdk/cpp/src/job_run.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <new>

#include "ipc/codec.h"

namespace emprops::sdk {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::size_t no_limit = std::size_t{1} << 30;

struct Sent : JobOutlet {
    std::vector<ipc::Progress> progresses;
    std::vector<std::string> lines;
    void progress(ipc::Progress progress) override { progresses.push_back(std::move(progress)); }
    void send(std::string line) override { lines.push_back(std::move(line)); }
    void send_droppable(std::string line) override { lines.push_back(std::move(line)); }
};

using Work = std::function<Json(const Job&, JobContext&)>;

class Scripted : public Connector {
  public:
    explicit Scripted(Work work) : work_(std::move(work)) {}
    std::vector<std::string> job_types() const override { return {"t"}; }
    Json process_job(const Job& job, JobContext& context) override { return work_(job, context); }

  private:
    Work work_;
};

class ScriptedRaw : public Connector {
  public:
    explicit ScriptedRaw(std::string text) : text_(std::move(text)) {}
    std::vector<std::string> job_types() const override { return {"t"}; }
    RawResult process_job_raw(const Job&, JobContext&) override { return {text_}; }

  private:
    std::string text_;
};

ipc::Job some_job(const std::string& payload = "{}") {
    ipc::Job job;
    job.job_id = "j";
    job.job_type = "t";
    job.attempt = 2;
    job.payload = payload;
    return job;
}

struct Ran {
    Sent sent;
    std::string line;
    ipc::FromConnector message() const {
        return std::get<ipc::FromConnector>(
            ipc::decode_from_connector(std::string_view(line).substr(0, line.size() - 1)));
    }
    ipc::JobError error() const { return std::get<ipc::Failed>(message()).error; }
    std::string result() const { return std::get<ipc::JobResult>(message()).result.text(); }
};

Ran run(Connector& connector, const std::string& payload = "{}", std::size_t limit = no_limit) {
    Ran ran;
    RunningJob job(some_job(payload), ran.sent);
    ran.line = run_job(connector, job, limit);
    return ran;
}

Ran run(Work work, const std::string& payload = "{}", std::size_t limit = no_limit) {
    Scripted connector(std::move(work));
    return run(connector, payload, limit);
}

Work throwing(auto what) {
    return [what](const Job&, JobContext&) -> Json { throw what; };
}

TEST(JobRun, WhatTheConnectorReturnsIsTheResult) {
    const auto work = [](const Job& job, JobContext&) {
        return Json{{"id", job.job_id}, {"attempt", job.attempt}, {"payload", job.payload()}};
    };
    EXPECT_EQ(run(work, R"({"x":1})").result(), R"({"attempt":2,"id":"j","payload":{"x":1}})");
}

TEST(JobRun, ARawResultIsSentByteForByteOnOneLine) {
    ScriptedRaw connector("{\"a\":1.10,\n\"b\":18446744073709551616}");
    EXPECT_EQ(run(connector).result(), R"({"a":1.10, "b":18446744073709551616})");
}

TEST(JobRun, AJobFailureKeepsItsCodeAndDetails) {
    const auto error = run(throwing(JobFailure("mine.code", "why", false, {{"k", 1}}))).error();
    EXPECT_EQ(error.code, "mine.code");
    EXPECT_EQ(error.message, "why");
    EXPECT_FALSE(error.retryable);
    EXPECT_EQ(error.details, (Json{{"k", 1}}));
}

TEST(JobRun, AnyOtherExceptionIsAnInternalError) {
    const auto error = run(throwing(std::runtime_error("boom"))).error();
    EXPECT_EQ(error.code, "internal");
    EXPECT_EQ(error.message, "boom");
    EXPECT_TRUE(error.retryable);
    EXPECT_EQ(run(throwing(7)).error().code, "internal");
    EXPECT_EQ(run(throwing(std::bad_alloc())).error().code, "out_of_memory");
}

TEST(JobRun, APayloadThatIsNoObjectIsTheClientsMistake) {
    for (const char* payload : {"[1]", "5", "{"}) {
        const auto error = run([](const Job& job, JobContext&) { return job.payload(); }, payload).error();
        EXPECT_EQ(error.code, "invalid_payload") << payload;
        EXPECT_FALSE(error.retryable);
    }
}

TEST(JobRun, AResultThatIsNoObjectIsTheConnectorsMistake) {
    EXPECT_THAT(run([](const Job&, JobContext&) { return Json::array(); }).error().message,
                HasSubstr("a list"));
    for (const char* text : {"", "[]", "{", "{\"x\":NaN}", "{} {}"}) {
        ScriptedRaw connector(text);
        EXPECT_EQ(run(connector).error().code, "protocol_error") << text;
    }
}

Json nested(int levels) {
    Json value = Json::object();
    for (int i = 1; i < levels; ++i) {
        Json outer = Json::object();
        outer["x"] = std::move(value);
        value = std::move(outer);
    }
    return value;
}

TEST(JobRun, ADeepResultFailsInsteadOfOverflowingTheStack) {
    EXPECT_NO_THROW(run([](const Job&, JobContext&) { return nested(256); }).result());
    EXPECT_EQ(run([](const Job&, JobContext&) { return nested(257); }).error().code, "protocol_error");
    EXPECT_EQ(run([](const Job&, JobContext&) { return nested(100'000); }).error().code, "protocol_error");
}

TEST(JobRun, BadUtf8AndNaNStillMakeAValidLine) {
    const Ran ran = run([](const Job&, JobContext&) { return Json{{"t", "\xff"}, {"n", std::nan("")}}; });
    EXPECT_EQ(Json::parse(ran.result()), (Json{{"t", "\xEF\xBF\xBD"}, {"n", nullptr}}));
}

TEST(JobRun, AResultOverTheLimitFailsTheJobAndNamesBothSizes) {
    const auto big = [](const Job&, JobContext&) { return Json{{"d", std::string(1000, 'x')}}; };
    const std::size_t size = run(big).line.size() - 1;
    EXPECT_NO_THROW(run(big, "{}", size).result());
    const auto error = run(big, "{}", size - 1).error();
    EXPECT_EQ(error.code, "result_too_large");
    EXPECT_FALSE(error.retryable);
    EXPECT_THAT(error.message, HasSubstr(std::to_string(size) + " bytes"));
    EXPECT_THAT(error.message, HasSubstr(std::to_string(size - 1) + " (max_line_bytes)"));
}

TEST(JobRun, AWordyExceptionIsCut) {
    const auto error = run(throwing(std::runtime_error(std::string(1 << 20, 'x')))).error();
    EXPECT_LT(error.message.size(), 70'000u);
    EXPECT_THAT(error.message, HasSubstr("1048576 bytes in all"));
}

Ran run_and_stop(CancelToken::Cause cause, bool looks) {
    Ran ran;
    RunningJob job(some_job(), ran.sent);
    Scripted connector([&](const Job&, JobContext& context) {
        job.token().cancel("why", cause);
        EXPECT_EQ(looks && context.cancelled(), looks);
        return Json{{"half", "done"}};
    });
    ran.line = run_job(connector, job, no_limit);
    return ran;
}

TEST(JobRun, ACancelledJobEndsAsCancelledWhateverItReturns) {
    EXPECT_EQ(run_and_stop(CancelToken::Cause::cancel, true).error().code, "cancelled");
    EXPECT_EQ(run_and_stop(CancelToken::Cause::cancel, false).error().code, "cancelled");
}

TEST(JobRun, AJobThatWasToldToLeaveIsDrainedUnlessItNeverLooked) {
    EXPECT_EQ(run_and_stop(CancelToken::Cause::leave, true).error().code, "drained");
    EXPECT_EQ(run_and_stop(CancelToken::Cause::leave, false).result(), R"({"half":"done"})");
}

TEST(JobRun, AJobIsToldWhetherItIsToStopOrWhetherItsSupervisorHasGone) {
    for (const auto cause :
         {CancelToken::Cause::cancel, CancelToken::Cause::leave, CancelToken::Cause::gone}) {
        Ran ran;
        RunningJob job(some_job(), ran.sent);
        EXPECT_FALSE(job.supervisor_gone());
        job.token().cancel("why", cause);
        EXPECT_TRUE(job.cancelled());
        EXPECT_EQ(job.supervisor_gone(), cause == CancelToken::Cause::gone);
    }
    EXPECT_EQ(run_and_stop(CancelToken::Cause::gone, true).error().code, "drained");
}

TEST(JobRun, ProgressIsClampedAndRoundedAndNaNMeansUnknown) {
    const Ran ran = run([](const Job&, JobContext& context) {
        for (const double percent : {-5.0, 49.6, 1e300, std::nan("")})
            context.progress(percent, "m");
        context.progress(std::nullopt, "alive", "heartbeat");
        return Json::object();
    });
    ASSERT_THAT(ran.sent.progresses, SizeIs(5));
    EXPECT_EQ(ran.sent.progresses[0].progress, 0);
    EXPECT_EQ(ran.sent.progresses[1].progress, 50);
    EXPECT_EQ(ran.sent.progresses[2].progress, 100);
    EXPECT_EQ(ran.sent.progresses[3].progress, std::nullopt);
    EXPECT_EQ(ran.sent.progresses[4].status, "heartbeat");
}

TEST(JobRun, DetailsThatCannotBeSentAreLeftOut) {
    const Ran ran = run([](const Job&, JobContext& context) {
        context.progress(1, "m", "processing", nested(300));
        context.progress(2, "m", "processing", Json::array());
        context.progress(3, "m", "processing", {{"k", 1}});
        context.service_request("s", "r", nested(300));
        return Json::object();
    });
    EXPECT_TRUE(ran.sent.progresses.at(0).details.is_null());
    EXPECT_TRUE(ran.sent.progresses.at(1).details.is_null());
    EXPECT_EQ(ran.sent.progresses.at(2).details, (Json{{"k", 1}}));
    EXPECT_THAT(ran.sent.lines.at(0), HasSubstr("\"content\":{}"));
}

TEST(JobRun, AContextThatIsUsedAfterTheJobDoesNothing) {
    Sent sent;
    RunningJob job(some_job(), sent);
    job.close();
    job.progress(5, "late", "processing", nullptr);
    job.service_request("s", "r", Json::object());
    job.accepted();
    EXPECT_TRUE(sent.progresses.empty());
    EXPECT_TRUE(sent.lines.empty());
}

TEST(JobRun, SaysWhatTheServiceHasBegun) {
    const Ran ran = run([](const Job&, JobContext& context) {
        context.accepted();
        context.accepted();
        return Json::object();
    });
    EXPECT_THAT(ran.sent.lines, testing::Each("{\"type\":\"accepted\",\"job_id\":\"j\"}\n"));
    EXPECT_EQ(ran.sent.lines.size(), 2u);
}

TEST(JobRun, AConnectorWithoutProcessJobSaysSo) {
    struct Empty : Connector {
        std::vector<std::string> job_types() const override { return {}; }
    } connector;
    EXPECT_THAT(run(connector).error().message, HasSubstr("overrides neither"));
}

}  // namespace
}  // namespace emprops::sdk
