// The doctor's scripts over a made-up patient, in no time; what is found as a table, as JSON and as JUnit.

#include "supervisor/doctor/examination.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "ipc/codec.h"
#include "supervisor/doctor/report.h"

namespace emprops::doctor {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// Answers as a good connector would; `silent` messages are not answered.
class MadeUp : public Patient {
  public:
    std::set<std::string> silent;

    Result<> start() override {
        heard_ = {};
        return Ok{};
    }
    ipc::Hello hello() const override { return {}; }
    void send(const ipc::ToConnector& message) override { send_text(ipc::encode(message)); }
    void send_text(std::string text, const std::string& = {}) override {
        text_ += text;
        for (std::size_t end = 0; (end = text_.find('\n')) != std::string::npos; text_.erase(0, end + 1))
            take(text_.substr(0, end));
    }
    void close_stdin() override { leave("end of stdin", 0); }
    void terminate() override { leave("TERM", 0); }
    std::string work_dir(const std::string&) override { return "/made/up"; }
    std::string wrong_files(const std::string&, const ipc::JobResult&) const override { return {}; }
    const Heard& heard() const override { return heard_; }
    std::string heir(int) const override { return {}; }
    TimePoint now() const override { return now_; }
    bool wait(const std::function<bool()>& condition, Ms limit) override {
        if (condition()) return true;
        now_ += limit;
        return condition();
    }

  private:
    void leave(const char* how, int code) {
        if (silent.count(how) == 0) heard_.ended({code, {}, 0, "exited"});
    }
    void take(const std::string& line) {
        const auto message = ipc::decode_to_connector(line);
        if (!message || !*message) return;
        const ipc::ToConnector& said = **message;
        if (std::holds_alternative<ipc::Hello>(said) && silent.count("hello") == 0)
            heard_.line(R"({"type":"ready","protocol":1,"job_types":["t"],"features":["ping","cancel"]})",
                        now_);
        if (const auto* ping = std::get_if<ipc::Ping>(&said); ping != nullptr && silent.count("ping") == 0)
            heard_.line(R"({"type":"pong","id":)" + std::to_string(ping->id) + "}", now_);
        if (const auto* job = std::get_if<ipc::Job>(&said)) {
            heard_.given(job->job_id);
            if (silent.count("job") == 0)
                heard_.line(ipc::encode(ipc::FromConnector(ipc::JobResult{job->job_id, {}})), now_);
        }
    }

    Heard heard_;
    std::string text_;
    TimePoint now_{};
};

std::vector<std::string> with(const std::vector<Finding>& findings, Verdict verdict) {
    std::vector<std::string> names;
    for (const Finding& each : findings)
        if (each.verdict == verdict) names.emplace_back(each.check->name);
    return names;
}

TEST(Examination, AGoodConnectorHasNoFailureAndWhatWasNotGivenIsNotTried) {
    MadeUp patient;
    const auto findings = examine(patient, {}).findings(Level::all);
    EXPECT_THAT(with(findings, Verdict::failed), IsEmpty());
    EXPECT_THAT(with(findings, Verdict::not_reached), IsEmpty());
    EXPECT_THAT(with(findings, Verdict::not_tried), testing::Contains("cancel"));
    EXPECT_TRUE(healthy(findings));
}

TEST(Examination, WhatStandsBehindAFailureIsNotReached) {
    MadeUp patient;
    patient.silent = {"hello"};
    const auto findings = examine(patient, {}).findings(Level::all);
    EXPECT_THAT(with(findings, Verdict::failed), testing::ElementsAre("ready"));
    EXPECT_THAT(with(findings, Verdict::not_reached), testing::Contains("job"));
}

TEST(Examination, EachSilenceIsTheFailureOfItsCheck) {
    for (const auto& [silent, name] :
         std::map<std::string, std::string>{{"ping", "ping"}, {"job", "job"}, {"TERM", "term"}}) {
        MadeUp patient;
        patient.silent = {silent};
        EXPECT_THAT(with(examine(patient, {}).findings(Level::all), Verdict::failed),
                    testing::ElementsAre(name));
    }
}

TEST(Report, NothingOfAConnectorActsOnATerminalOrInXml) {
    Chart chart;
    chart.fail("job", "\x1b[31m<a href=\"x\">&\n");
    const auto findings = chart.findings(Level::jobs);
    EXPECT_THAT(table(findings, false), Not(HasSubstr("\x1b")));
    EXPECT_THAT(table(findings, true), Not(HasSubstr("\x1b[31m<")));
    EXPECT_THAT(junit("<c>", findings), HasSubstr("&lt;a href=&quot;x&quot;&gt;&amp;"));
    EXPECT_THAT(junit("<c>", findings), HasSubstr("failures=\"1\""));
    EXPECT_FALSE(json("c", findings).at("healthy").get<bool>());
}

TEST(Chart, TheWorstCountsAndOfFailuresTheFirst) {
    Chart chart;
    chart.fail("valid", "first");
    chart.fail("valid", "second");
    chart.pass("valid");
    for (const Finding& each : chart.findings(Level::handshake)) {
        if (std::string(each.check->name) != "valid") continue;
        EXPECT_EQ(each.text, "first");
    }
}

}  // namespace
}  // namespace emprops::doctor
