// The table of workers alone.

#include "supervisor/local_hub/workers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::local_hub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Now at(int seconds) {
    return {TimePoint{} + std::chrono::hours(1) + std::chrono::seconds(seconds), 1e9 + seconds};
}

hub::RegisterWorker registration(std::vector<std::string> types) {
    hub::RegisterWorker message;
    message.job_types = std::move(types);
    return message;
}

struct WorkersTest : testing::Test {
    Policy policy;
    Workers workers{policy};

    const Worker& enrolled(ConnectionId connection, const std::string& id) {
        const auto& worker = workers.add(connection, id, at(0));
        workers.enroll(connection, registration({"sim"}), at(0));
        return worker;
    }
};

TEST_F(WorkersTest, OneIdIsTheNewestConnectionOfIt) {
    workers.add(1, "w", at(0));
    workers.add(2, "w", at(0));
    EXPECT_EQ(workers.connection_of("w"), 2U);
    workers.remove(1);
    EXPECT_EQ(workers.connection_of("w"), 2U);
    workers.remove(2);
    EXPECT_EQ(workers.connection_of("w"), std::nullopt);
    EXPECT_EQ(workers.find(2), nullptr);
}

TEST_F(WorkersTest, OnlyRegisteredOnesThatSaidNothingAreSilent) {
    enrolled(1, "a");
    workers.add(2, "b", at(0));
    EXPECT_THAT(workers.silent(at(59).steady), IsEmpty());
    EXPECT_THAT(workers.silent(at(60).steady), ElementsAre(1U));
    workers.sign_of_life(1, at(30).steady);
    EXPECT_THAT(workers.silent(at(60).steady), IsEmpty());
}

TEST_F(WorkersTest, WhoElseTakesATypeIsRegisteredAndNotLeaving) {
    enrolled(1, "a");
    EXPECT_FALSE(workers.others_take("sim", 1));
    workers.add(2, "b", at(0));
    EXPECT_FALSE(workers.others_take("sim", 1));
    workers.enroll(2, registration({"sim"}), at(0));
    EXPECT_TRUE(workers.others_take("sim", 1));
    EXPECT_FALSE(workers.others_take("other", 1));
    workers.set_status(2, "leaving");
    EXPECT_FALSE(workers.others_take("sim", 1));
    workers.enroll(2, registration({"sim"}), at(0));
    EXPECT_TRUE(workers.others_take("sim", 1));
}

TEST_F(WorkersTest, AStatusThatIsEmptyChangesNothing) {
    const auto& worker = enrolled(1, "a");
    workers.set_status(1, "busy");
    workers.set_status(1, "");
    EXPECT_EQ(worker.status, "busy");
    EXPECT_FALSE(worker.idle());
}

TEST_F(WorkersTest, AWorkerThatOnlyWorksIsIdleAfterItsJob) {
    const auto& worker = enrolled(1, "a");
    workers.set_status(1, "working");
    workers.worked(1);
    EXPECT_TRUE(worker.idle());
    workers.set_status(1, "busy");
    workers.worked(1);
    EXPECT_EQ(worker.status, "busy");
    EXPECT_EQ(worker.jobs_processed, 2U);
}

TEST_F(WorkersTest, WhatASecondConnectionBringsIsCountedForItsWorker) {
    const auto& worker = enrolled(1, "a");
    const auto& bulk = workers.add(2, "a-bulk", at(0));
    EXPECT_EQ(bulk.reports_as(), "a");
    workers.set_status(1, "working");
    workers.worked(2);
    EXPECT_EQ(worker.jobs_processed, 1U);
    EXPECT_EQ(worker.status, "working");
    EXPECT_EQ(bulk.jobs_processed, 0U);
    workers.enroll(2, registration({}), at(0));
    EXPECT_EQ(bulk.reports_as(), "a-bulk");
}

TEST_F(WorkersTest, TooManyOrTooLongJobTypesAreRefused) {
    policy.most_job_types = 2;
    policy.longest_job_type = 5;
    EXPECT_EQ(workers.refusal(registration({"a", "12345"})), "");
    EXPECT_THAT(workers.refusal(registration({"a", "b", "c"})), testing::HasSubstr("3 job types"));
    EXPECT_THAT(workers.refusal(registration({"123456"})), testing::HasSubstr("6 bytes"));
}

TEST_F(WorkersTest, ACancelIsToldOnceUntilTheJobLivesAgain) {
    enrolled(1, "a");
    EXPECT_TRUE(workers.tell_cancelled(1, "j"));
    EXPECT_FALSE(workers.tell_cancelled(1, "j"));
    workers.forget_cancelled("j");
    EXPECT_TRUE(workers.tell_cancelled(1, "j"));
}

}  // namespace
}  // namespace emprops::local_hub
