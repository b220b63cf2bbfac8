// The courier and the places that jobs have named themselves: what its own settings still say of them, which store comes
// next, and what the entry tells.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/courier_process.h"
#include "tests/support/s3_double.h"

namespace emprops::test {
namespace {

using Json = nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Kind = S3Fault::Kind;

struct CourierPlaces : testing::Test {
    void start(bool jobs, const std::vector<std::string>& put_allow, const std::string& jobs_prefix = {}) {
        const Json s3{{"type", "s3"},
                      {"endpoint", server.endpoint()},
                      {"bucket", "results"},
                      {"access_key", "AK"},
                      {"secret_key", "secret"},
                      {"jobs", jobs},
                      {"jobs_prefix", jobs_prefix}};
        courier = std::make_unique<CourierProcess>(
            Json{{"stores",
                  {{"put_allow", put_allow},
                   {"own", s3},
                   {"folder", {{"type", "directory"}, {"path", kept.path().string()}}}}}});
        courier->put("17/files/picture.png", "bytes");
    }
    /// The entry, or the failure.
    Json deliver(Json to, int index = 0, const std::string& job = "17") {
        to["name"] = "outputs.to[0]";
        const std::string id = "d" + std::to_string(++count);
        courier->deliver(id, {{"file", {{"path", "17/files/picture.png"}, {"name", "picture.png"}}},
                              {"values", {{"job_id", job}, {"index", index}}},
                              {"stores", {"outputs.to[0]", "folder"}},
                              {"to", to},
                              {"inline_max_bytes", 0}});
        const Json outcome = courier->outcome(id);
        return outcome["type"] == "result" ? outcome["result"]["entry"] : outcome;
    }
    std::string url() const { return server.endpoint() + "/in/x?signature=SECRETSECRET"; }

    S3Double server;
    TempDir kept;
    std::unique_ptr<CourierProcess> courier;
    int count = 0;
};

TEST_F(CourierPlaces, AStoreTakesItUnderTheJobsKeyAndTheSameJobMayComeAgain) {
    start(true, {});
    const Json entry = deliver({{"store", "own"}, {"prefix", "a/b"}});
    EXPECT_EQ(entry["delivery"], "own");
    EXPECT_EQ(entry["key"], "a/b/picture.png");
    EXPECT_EQ(entry["mime_type"], "image/png") << "nobody else has told it";
    courier->put("17/files/picture.png", "other bytes");
    EXPECT_EQ(deliver({{"store", "own"}, {"prefix", "a/b"}})["delivery"], "own") << "a second run of the job";
    EXPECT_EQ(server.object("/results/a/b/picture.png")->body, "other bytes");
    courier->put("17/files/picture.png", "third bytes");
    for (const Json& other : {deliver({{"store", "own"}, {"prefix", "a/b"}}, 1),
                              deliver({{"store", "own"}, {"prefix", "a/b"}}, 0, "18")}) {
        EXPECT_EQ(other["delivery"], "folder") << "another file, or another job";
        EXPECT_THAT(other["note"].get<std::string>(), HasSubstr("outputs.to[0] did not take it: "));
    }
    EXPECT_EQ(server.object("/results/a/b/picture.png")->body, "other bytes");
}

TEST_F(CourierPlaces, AStoreThatIsTheJobsChoiceIsItsPlaceAsWell) {
    start(true, {}, "from-jobs");
    const auto deliver_by = [&](const Json& by_job, const std::string& job) {
        const std::string id = "d" + std::to_string(++count);
        courier->deliver(id, {{"file", {{"path", "17/files/picture.png"}, {"name", "picture.png"}}},
                              {"values", {{"job_id", job}, {"index", 0}}},
                              {"stores", {"own", "folder"}},
                              {"by_job", by_job},
                              {"inline_max_bytes", 0}});
        return courier->outcome(id)["result"]["entry"];
    };
    EXPECT_EQ(deliver_by(Json::array(), "17")["key"], "17/picture.png") << "the operator's choice";
    EXPECT_EQ(deliver_by({"own"}, "17")["key"], "from-jobs/17/picture.png");
    EXPECT_EQ(deliver_by({"own"}, "17")["delivery"], "own") << "its own object";
    server.store("/results/from-jobs/18/picture.png", {"somebody's bytes", "image/png"});
    EXPECT_EQ(deliver_by({"own"}, "18")["delivery"], "folder");
    EXPECT_EQ(server.object("/results/from-jobs/18/picture.png")->body, "somebody's bytes");
    start(false, {}, "from-jobs");
    EXPECT_EQ(deliver_by({"own"}, "19")["delivery"], "folder") << "not for jobs any more";
}

TEST_F(CourierPlaces, WhatItsOwnSettingsDoNotPermitAnyMoreGoesToTheNextStore) {
    start(false, {"other.example.org"});
    const Json store = deliver({{"store", "own"}, {"prefix", "a"}});
    EXPECT_EQ(store["delivery"], "folder");
    EXPECT_THAT(store["note"].get<std::string>(),
                HasSubstr("there is no [stores.own] with jobs = true any more"));
    const Json put = deliver({{"put", url()}});
    EXPECT_EQ(put["delivery"], "folder");
    EXPECT_THAT(put["note"].get<std::string>(),
                AllOf(HasSubstr("stores.put_allow does not name its server"), Not(HasSubstr("SECRET"))));
    EXPECT_THAT(server.requests(), IsEmpty());
}

TEST_F(CourierPlaces, AUrlIsTriedAgainAndNobodyHearsItsQuery) {
    start(false, {server.endpoint()});
    server.fail({"PUT", "", Kind::answer, 503,
                 "<Error><Code>SlowDown</Code><Message>signature=SECRETSECRET</Message></Error>"});
    server.fail({"PUT", "", Kind::cut});
    server.fail({"PUT", "", Kind::answer, 403, "denied SECRETSECRET"});
    const Json entry = deliver({{"put", url()}, {"headers", {{"x-token", "SECRETHEADER"}}}});
    EXPECT_EQ(entry["delivery"], "folder");
    EXPECT_THAT(entry["note"].get<std::string>(), HasSubstr("HTTP 403"));
    std::string said;
    for (const Json& each : courier->seen)
        said += each.dump() + "\n";
    EXPECT_THAT(said, AllOf(HasSubstr("SlowDown"), HasSubstr("tried again in"), Not(HasSubstr("SECRET"))));
    EXPECT_THAT(courier->child().stderr_text(), Not(HasSubstr("SECRET")));
}

}  // namespace
}  // namespace emprops::test
