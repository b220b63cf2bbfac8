// The hash of a job, its score, and what is written at its end; numbers as recorded on the real system.

#include "supervisor/redis/rules/job_record.h"

#include <gtest/gtest.h>

#include "supervisor/redis/rules/end_texts.h"
#include "supervisor/redis/slots.h"

namespace emprops::redis {
namespace {

using Json = nlohmann::json;

JobRecord job(std::vector<std::pair<std::string, std::string>> fields) {
    Reply pairs{Reply::Kind::list};
    for (auto& [name, value] : fields) {
        pairs.list.push_back({Reply::Kind::text, 0, name});
        pairs.list.push_back({Reply::Kind::text, 0, value});
    }
    return job_of_hash("uuid-1", pairs);
}

TEST(JobRecord, TheScoreIsTheApis) {
    EXPECT_EQ(job({{"priority", "60"}, {"created_at", "2026-11-29T18:08:22.119Z"}}).score(),
              "59999998204024296");
    EXPECT_EQ(job({{"priority", "60"}, {"workflow_priority", "90"}, {"workflow_datetime", "1795000000000"}})
                  .score(),
              "89999998205000000");
    EXPECT_EQ(job({{"priority", "a word"}, {"created_at", "no time"}}).score(), "50000000000000000");
}

TEST(JobRecord, TimesAreReadAndWritten) {
    EXPECT_EQ(ms_of_iso("2026-11-29T18:08:22.119Z"), 1795975702119);
    EXPECT_EQ(iso_of_ms(1795975702119), "2026-11-29T18:08:22.119Z");
    for (const char* odd :
         {"", "now", "2026-11-29", "2026-11-29T18:08:22.119", "2026-11-29T18:08:22.119+01:00"})
        EXPECT_FALSE(ms_of_iso(odd)) << odd;
}

TEST(JobRecord, RetriesAreCountedAsTheReferenceDoes) {
    EXPECT_TRUE(job({{"retry_count", "1"}, {"max_retries", "3"}}).has_retries_left());
    EXPECT_FALSE(job({{"retry_count", "2"}, {"max_retries", "3"}}).has_retries_left());
    EXPECT_EQ(job({{"job_type", "old"}}).job_type(), "old");
}

TEST(EndTexts, TheResultStandsWhereClientsReadIt) {
    const JobRecord record = job(
        {{"workflow_id", "wf1"}, {"current_step", "1"}, {"total_steps", "2"}, {"workflow_priority", "75"}});
    const Completion done =
        completion_of(record, {"w", "m", "v"}, result_text(R"({"message":"ok"})", 1216), 1795975704317);
    EXPECT_EQ(done.attestation_key, "worker:completion:job-id:wf1:step-id:uuid-1:attempt:1");
    EXPECT_EQ(Json::parse(done.entry)["data"]["data"]["message"], "ok");
    const Json message = Json::parse(done.message);
    EXPECT_EQ(message["result"]["data"]["message"], "ok");
    EXPECT_EQ(message["current_step"], 1);
    EXPECT_EQ(message["workflow_priority"], 75);
    EXPECT_FALSE(message.contains("workflow_datetime"));
    EXPECT_EQ(message["timestamp"], 1795975704317);
    EXPECT_EQ(Json::parse(Json::parse(done.attestation)["result"].get<std::string>())["success"], true);
}

TEST(EndTexts, AWorkflowThatCountsItsTriesIsBelieved) {
    const JobRecord record = job({{"ctx", R"({"workflow_context":{"retry_attempt":4}})"}});
    EXPECT_EQ(completion_of(record, {"w", "m", "v"}, "{}", 0).attestation_key,
              "worker:completion:step-id:uuid-1:attempt:5");
    for (const char* odd : {"[", "5", "null", R"({"workflow_context":5})"})
        EXPECT_EQ(completion_of(job({{"ctx", odd}}), {"w", "m", "v"}, "{}", 0).attestation_key,
                  "worker:completion:step-id:uuid-1:attempt:1");
}

TEST(EndTexts, AFailureHasItsClassByWhatIsKnownOfIt) {
    const JobRecord record = job({{"retry_count", "1"}, {"max_retries", "3"}});
    const ipc::JobError error{ipc::code::out_of_memory, "CUDA out of memory", true, {}};
    const Failure again = failure_of(record, {"w", "m", "v"}, error, true, 0);
    EXPECT_EQ(again.attestation_key, "worker:failure:step-id:uuid-1:attempt:2");
    const Json attestation = Json::parse(again.attestation);
    EXPECT_EQ(attestation["failure_type"], "resource_limit");
    EXPECT_EQ(attestation["failure_reason"], "gpu_memory_full");
    EXPECT_EQ(attestation["will_retry"], true);
    const Failure last = failure_of(record, {"w", "m", "v"}, error, false, 0);
    EXPECT_EQ(last.attestation_key, "worker:failure:step-id:uuid-1:permanent");
    EXPECT_EQ(Json::parse(last.message)["can_retry"], false);
    EXPECT_EQ(std::string(class_of("never heard of").reason), "unknown_error");
}

TEST(EndTexts, ProgressNeverSaysThatItIsTheEnd) {
    EXPECT_EQ(Json::parse(progress_message(job({}), "w", 100, "", 0))["progress"], 99);
    EXPECT_EQ(Json::parse(progress_message(job({}), "w", -1, "", 0))["progress"], 0);
}

TEST(Slots, TheLowestThatIsFreeIsTaken) {
    Slots slots("gpu-7");
    EXPECT_EQ(slots.take(), "gpu-7-0");
    EXPECT_EQ(slots.take(), "gpu-7-1");
    slots.free("gpu-7-0");
    slots.hold("gpu-7-3");
    EXPECT_EQ(slots.take(), "gpu-7-0");
    EXPECT_EQ(slots.end(), 4u);
    for (const char* other : {"gpu-7", "gpu-7-", "gpu-7-x", "gpu-7-1x", "gpu-70-1"})
        EXPECT_FALSE(slots.index_of(other)) << other;
}

}  // namespace
}  // namespace emprops::redis
