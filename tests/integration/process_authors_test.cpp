// Mistakes that authors of connectors make and that do no harm at once, as real processes: what people look at (`why`,
// `logs`) names the mistake and its cure.

#include <gmock/gmock.h>

#include <algorithm>

#include <string>
#include <vector>

#include "tests/support/process_fleet_driver.h"

namespace emprops::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr const char* say_ready =
    R"(echo '{"type":"ready","protocol":1,"job_types":["t"],"features":["cancel"]}'; )";
/// `does` is done for each job; $id is its id and $dir its work_dir, in quotes.
std::string for_each_job(const std::string& does) {
    return R"(field='"type":"job","job_id":("[^"]*")'; folder='"work_dir":("[^"]*")'
while IFS= read -r line; do [[ $line =~ $field ]] || continue; id=${BASH_REMATCH[1]}
[[ $line =~ $folder ]] && dir=${BASH_REMATCH[1]}
)" + does + "\ndone";
}
std::string progress(const std::string& value) {
    return R"(echo '{"type":"progress","job_id":'$id',"progress":)" + value + "}'; ";
}
constexpr const char* say_result = R"(echo '{"type":"result","job_id":'$id',"result":{"ok":1}}')";

struct Authors : testing::Test {
    bool start(const std::string& script) {
        driver.fleet->subscribe("c", process::Fleet::Lines::for_people,
                                [this](const process::TraceLine& line) { seen.push_back(line.text); });
        auto settings = fault_settings("c", "echo");
        settings.command = {"/bin/bash", "-c", script};
        return driver.start({settings});
    }
    /// Stops the instance for this, as the dispatcher does, and waits for its end.
    void stop_for(StopReason reason) {
        const InstanceId id = *driver.newest("c");
        driver.fleet->stop_instance(id, reason, "job j did not stop");
        ASSERT_TRUE(driver.run_until([&] { return driver.is_gone(id); }));
    }

    std::vector<std::string> seen;
    FleetDriver driver;
};

TEST_F(Authors, AFractionForAPercentageIsNamedOnce) {
    ASSERT_TRUE(
        start(say_ready + for_each_job(progress("0.25") + progress("0.5") + progress("1.0") + say_result)));
    for (const char* job : {"j1", "j2"})
        ASSERT_TRUE(driver.result_of("c", job));
    EXPECT_THAT(driver.why("c"), HasSubstr("`progress` is percent, 0 to 100"));
    EXPECT_EQ(
        std::count_if(seen.begin(), seen.end(),
                      [](const std::string& line) { return line.find("is percent") != std::string::npos; }),
        1);
}

TEST_F(Authors, WhoReallyMeansHalfAPercentIsNotAccused) {
    ASSERT_TRUE(
        start(say_ready + for_each_job(progress("0.5") + progress("1") + progress("7.5") + say_result)));
    ASSERT_TRUE(driver.result_of("c", "j1"));
    EXPECT_THAT(driver.why("c"), Not(HasSubstr("percent")));
}

TEST_F(Authors, AResultThatPointsIntoTheScratchFolderIsNamed) {
    ASSERT_TRUE(start(say_ready +
                      for_each_job(R"(echo '{"type":"result","job_id":'$id',"result":{"file":'$dir'}}')")));
    ASSERT_TRUE(driver.result_of("c", "j"));
    EXPECT_THAT(driver.why("c"), HasSubstr("names a place in the job's work_dir"));
}

struct Thieves : Authors, testing::WithParamInterface<StopReason> {};

TEST_P(Thieves, AProgramThatReadsTheConnectorsStdinIsNamedWhenItsConnectorDoesNotAnswer) {
    ASSERT_TRUE(start(say_ready + for_each_job("cat > /dev/null")));
    const int pid = driver.status("c").pid;
    driver.run_for(50ms);  // /proc knows the age of a process to a hundredth of a second only
    ASSERT_TRUE(driver.give(*driver.newest("c"), "j"));
    ASSERT_TRUE(driver.run_until([&] { return driver.host->heir(pid, 0, 1h).starts_with("cat (pid "); }));
    ASSERT_TRUE(driver.fleet->cancel_job(*driver.newest("c"), "j", "test"));
    stop_for(GetParam());
    EXPECT_THAT(seen, Contains(AllOf(HasSubstr("cat (pid "), HasSubstr("has its stdin too"),
                                     HasSubstr("/dev/null"))));
    EXPECT_THAT(driver.why("c"), HasSubstr("has its stdin too"));
}

INSTANTIATE_TEST_SUITE_P(Reasons, Thieves,
                         testing::Values(StopReason::cancel_ignored, StopReason::hung, StopReason::timeout));

TEST_F(Authors, AWrapperIsNoThiefOfStdinAndAnIgnoredCancelHasACureAllTheSame) {
    ASSERT_TRUE(start(
        "bash -c '" +
        std::string(
            R"(echo "{\"type\":\"ready\",\"protocol\":1,\"job_types\":[\"t\"],\"features\":[\"cancel\"]}")") +
        "; while read line; do true; done'; true"));
    driver.run_for(50ms);
    ASSERT_TRUE(driver.give(*driver.newest("c"), "j"));
    stop_for(StopReason::cancel_ignored);
    EXPECT_THAT(seen, Contains(AllOf(HasSubstr("did not answer a cancel"), HasSubstr("/dev/null"))));
    EXPECT_THAT(seen, Not(Contains(HasSubstr("has its stdin too"))));
}

TEST_F(Authors, OneThatExitsAfterAJobIsToldToStay) {
    ASSERT_TRUE(start(say_ready + for_each_job(std::string(say_result) + "; exit 0")));
    ASSERT_TRUE(driver.result_of("c", "j"));
    ASSERT_TRUE(driver.run_until([&] { return !driver.gone.empty(); }));
    EXPECT_THAT(driver.why("c"), HasSubstr("a connector stays, and reads its stdin until that ends"));
}

TEST_F(Authors, TwoThreadsThatWriteAtOnceAreNamedInTheJobsError) {
    ASSERT_TRUE(start(
        say_ready +
        for_each_job(
            R"(echo '{"type":"result","job_id":'$id',"result":{"a":1{"type":"progress","job_id":'$id',"progress":50}')")));
    ASSERT_TRUE(driver.give(*driver.newest("c"), "j"));
    ASSERT_TRUE(driver.run_until([&] { return !driver.errors.empty(); }));
    EXPECT_THAT(driver.errors[0].message, HasSubstr("let one thread write at a time"));
}

}  // namespace
}  // namespace emprops::test
