// Who may take which job: each recorded case of the queue's own function (tests/fixtures/redis/matching.json).

#include "supervisor/redis/rules/matching.h"

#include <gtest/gtest.h>

#include <fstream>

namespace emprops::redis {
namespace {

using Json = nlohmann::json;

struct Case {
    std::string name, expect;
    bool of_the_worker = false;  ///< what is odd are its own capabilities, which ours never are
    Json capabilities;
    JobFields job;
};

JobFields fields_of(const Json& job) {
    JobFields fields;
    if (job.contains("service_required")) fields.service_required = job["service_required"];
    fields.requirements = job.value("requirements", "");
    fields.customer_id = job.value("customer_id", "");
    fields.workflow_id = job.value("workflow_id", "");
    return fields;
}

/// A recorded case says what differs from the first one.
Json changed(Json from, const Json& recorded, const char* what) {
    if (recorded.contains(what)) from.update(recorded[what]);
    for (const Json& name : recorded.value("without_" + std::string(what), Json::array()))
        from.erase(name.get<std::string>());
    return from;
}

std::vector<Case> cases() {
    std::ifstream file(EMPROPS_SOURCE_DIR "/tests/fixtures/redis/matching.json");
    const Json all = Json::parse(file);
    std::vector<Case> out;
    for (const Json& each : all["cases"]) {
        Case one;
        one.name = each["group"].get<std::string>() + ": " + each["case"].get<std::string>();
        one.expect = each["expect"];
        one.of_the_worker = one.expect == "error" && (!each.contains("job") || each.contains("capabilities"));
        one.capabilities = changed(all["capabilities"], each, "capabilities");
        one.job = fields_of(changed(all["job"], each, "job"));
        out.push_back(std::move(one));
    }
    return out;
}

TEST(Matching, IsTheQueuesOwnInEachRecordedCase) {
    const auto all = cases();
    ASSERT_GE(all.size(), 129u);
    for (const Case& each : all) {
        if (each.of_the_worker) continue;
        const Judgement judgement = judge(each.capabilities, each.job);
        const Verdict expected = each.expect == "claim" ? Verdict::takes
                                 : each.expect == "no"  ? Verdict::passes
                                                        : Verdict::poison;
        EXPECT_EQ(judgement.verdict, expected) << each.name << ": " << judgement.why;
        EXPECT_EQ(judgement.why.empty(), expected == Verdict::takes) << each.name;
    }
}

TEST(Matching, OddCapabilitiesOfOurOwnTakeNothingThatTheyDoNotServe) {
    JobFields job;
    job.service_required = "comfyui";
    for (const Json& odd : {Json(), Json("x"), Json::array(), Json{{"job_service_required_map", 5}},
                            Json{{"job_service_required_map", Json::array({Json::object()})}}})
        EXPECT_EQ(judge(odd, job).verdict, Verdict::passes) << odd;
}

TEST(Matching, OddRequirementsArePoisonOrNoneAndNeverACrash) {
    const Json ours{{"job_service_required_map", {"s"}}, {"hardware", {{"ram_gb", 8}}}};
    JobFields job;
    job.service_required = "s";
    for (const char* odd :
         {"[1]", "[[]]", "{\"positive_requirements\":5}", "{\"positive_requirements\":\"x\"}",
          "{\"hardware\":false}", "{\"hardware\":{\"ram_gb\":[]}}", "{\"models\":[null]}",
          "{\"positive_requirements\":{},\"negative_requirements\":[1]}"}) {
        job.requirements = odd;
        EXPECT_NE(judge(ours, job).verdict, Verdict::takes) << odd;
    }
    job.requirements = std::string(100'000, '[') + std::string(100'000, ']');
    EXPECT_EQ(judge(ours, job).verdict, Verdict::poison);
    job.requirements = std::string(100'000, '[');
    EXPECT_EQ(judge(ours, job).verdict, Verdict::takes) << "no JSON";
    job.requirements = "{\"..a..\":1}";
    EXPECT_EQ(judge(ours, job).verdict, Verdict::passes);
}

}  // namespace
}  // namespace emprops::redis
