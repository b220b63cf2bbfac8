#include "connectors/simulation/settings.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include "tests/support/generated_table.h"

namespace emprops::simulation {
namespace {

using ::testing::HasSubstr;

struct Variable {
    Variable(const char* name, const char* value) : name(name) { ::setenv(name, value, 1); }
    ~Variable() { ::unsetenv(name); }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;
    const char* name;
};

JobFailure failure_of(const Settings& settings, const Json& payload) {
    try {
        plan_job(settings, payload, 1);
    } catch (const JobFailure& failure) {
        return failure;
    }
    return {"none", ""};
}

TEST(SimulationSettings, HaveTheDefaultsOfThePythonWorker) {
    const Settings settings = read_settings(Json::object());
    EXPECT_EQ(settings.job_type, "simulation");
    EXPECT_EQ(settings.processing_time, 10);
    EXPECT_EQ(settings.steps, 5);
    EXPECT_EQ(settings.concurrency, 1);
    EXPECT_FALSE(settings.resume);
}

TEST(SimulationSettings, TheEnvironmentWinsOverTheSettings) {
    const Json own{
        {"job_type", "s"}, {"processing_time", 0.5}, {"steps", 2}, {"concurrency", 3}, {"resume", true}};
    Settings settings = read_settings(own);
    EXPECT_EQ(settings.job_type, "s");
    EXPECT_EQ(settings.processing_time, 0.5);
    EXPECT_EQ(settings.steps, 2);
    EXPECT_EQ(settings.concurrency, 3);
    EXPECT_TRUE(settings.resume);
    const Variable type("SIMULATION_JOB_TYPE", "e"), time("WORKER_SIMULATION_PROCESSING_TIME", "0.25"),
        steps("SIMULATION_STEPS", "7"), slots("SIMULATION_CONCURRENCY", "4"),
        resume("SIMULATION_RESUME", "0"), journal("SIMULATION_JOURNAL", "/starts");
    settings = read_settings(own);
    EXPECT_EQ(settings.job_type, "e");
    EXPECT_EQ(settings.processing_time, 0.25);
    EXPECT_EQ(settings.steps, 7);
    EXPECT_EQ(settings.concurrency, 4);
    EXPECT_EQ(settings.journal, "/starts");
    EXPECT_FALSE(settings.resume);
}

TEST(SimulationSettings, BadValuesAreRefusedByName) {
    const std::pair<const char*, const char*> bad[] = {{"SIMULATION_STEPS", "many"},
                                                       {"SIMULATION_STEPS", "-1"},
                                                       {"SIMULATION_PROCESSING_TIME", "-0.1"},
                                                       {"SIMULATION_CONCURRENCY", "0"},
                                                       {"SIMULATION_JOB_TYPE", ""}};
    for (const auto& [name, value] : bad) {
        const Variable variable(name, value);
        try {
            read_settings(Json::object());
            ADD_FAILURE() << name << "=" << value << " was taken";
        } catch (const ConfigurationError& error) {
            EXPECT_THAT(error.what(), HasSubstr(name));
        }
    }
    EXPECT_THROW(read_settings({{"steps", "5"}}), ConfigurationError);
}

TEST(SimulationSettings, TakeTheUnitsOfTimesAndRefuseAKeyThatIsNone) {
    EXPECT_EQ(read_settings({{"processing_time", "1500ms"}}).processing_time, 1.5);
    const Variable time("SIMULATION_PROCESSING_TIME", "2 min");
    EXPECT_EQ(read_settings(Json::object()).processing_time, 120);
    EXPECT_THROW(read_settings({{"step", 5}}), ConfigurationError);
}

TEST(SimulationSettings, AreInTheReadme) {
    test::expect_generated_table(EMPROPS_SOURCE_DIR "/connectors/simulation/README.md",
                                 settings_page(setting_rows()));
}

TEST(SimulationPlan, ThePayloadOverridesTimeAndStepsAndMayCarryAnythingElse) {
    const Settings settings;
    Plan plan = plan_job(settings, {{"prompt", "a cat"}}, 1);
    EXPECT_EQ(plan.processing_time, 10);
    EXPECT_EQ(plan.steps, 5);
    EXPECT_EQ(plan.fault, Fault::none);
    plan = plan_job(settings, {{"processing_time", 0.2}, {"steps", 3}, {"echo", true}}, 1);
    EXPECT_EQ(plan.processing_time, 0.2);
    EXPECT_EQ(plan.steps, 3);
    EXPECT_TRUE(plan.echo);
}

TEST(SimulationPlan, FilesAreMadeAsThePayloadSays) {
    const Plan plan = plan_job(
        {},
        Json::parse(
            R"({"release":true,"release_seconds":1.5,"files":[{"name":"a.png","bytes":7,"node":"9",)"
            R"("deliver":["s3","inline"],"subfolder":"x"},{"url":"http://h/b","name":"b"},{"path":"c/d"}]})"),
        1);
    EXPECT_TRUE(plan.release);
    EXPECT_EQ(plan.release_seconds, 1.5);
    ASSERT_EQ(plan.files.size(), 3u);
    EXPECT_EQ(plan.files[0].file.path, "a.png");
    EXPECT_EQ(plan.files[0].bytes, 7u);
    EXPECT_EQ(plan.files[0].file.node, "9");
    EXPECT_EQ(plan.files[0].file.deliver, (std::vector<std::string>{"s3", "inline"}));
    EXPECT_EQ(plan.files[0].file.more, (Json{{"subfolder", "x"}}));
    EXPECT_EQ(plan.files[1].file.path, "") << "the service has it";
    EXPECT_EQ(plan.files[2].file.path, "c/d");
    EXPECT_EQ(plan.files[2].bytes, 1000u);
    EXPECT_TRUE(plan_job({}, {{"files", nullptr}}, 1).files.empty());
}

TEST(SimulationPlan, NoStepsFailAsDivisionByZero) {
    Settings settings;
    settings.steps = 0;
    EXPECT_EQ(failure_of(settings, Json::object()).code(), "simulation.division_by_zero");
    EXPECT_THAT(failure_of(settings, Json::object()).what(), HasSubstr("division by zero"));
    EXPECT_EQ(failure_of({}, {{"steps", 0}}).code(), "simulation.division_by_zero");
    EXPECT_EQ(failure_of(settings, {{"steps", 1}}).code(), "none");
}

TEST(SimulationPlan, AWrongTypeOrAnUnknownFaultIsAnInvalidPayload) {
    const Json bad[] = {{{"steps", "3"}},
                        {{"steps", -1}},
                        {{"processing_time", "1"}},
                        {{"echo", 1}},
                        {{"fault", 5}},
                        {{"fault", "exit"}, {"exit_code", 256}},
                        {{"files", 1}},
                        {{"files", {1}}},
                        {{"files", {{{"name", 7}}}}},
                        {{"release", 1}},
                        {{"files", {{{"name", "a"}, {"deliver", "s3"}}}}}};
    for (const Json& payload : bad)
        EXPECT_EQ(failure_of({}, payload).code(), "invalid_payload") << payload;
    EXPECT_THAT(failure_of({}, {{"fault", "explode"}}).what(), HasSubstr("there are fail, throw, exit"));
}

TEST(SimulationPlan, AFaultTakesItsParametersAndHappensWithinTheSteps) {
    const Plan plan = plan_job({}, {{"fault", "exit"}, {"exit_code", 9}, {"at_step", 99}, {"bytes", 5}}, 1);
    EXPECT_EQ(plan.fault, Fault::exit);
    EXPECT_EQ(plan.exit_code, 9);
    EXPECT_EQ(plan.at_step, 5);
    EXPECT_EQ(plan.bytes, 5);
    EXPECT_EQ(plan.seconds, std::nullopt);
}

TEST(SimulationPlan, AFaultMayBeForOneAttemptOnly) {
    const Json payload{{"fault", "segv"}, {"on_attempt", 1}};
    EXPECT_EQ(plan_job({}, payload, 1).fault, Fault::segv);
    EXPECT_EQ(plan_job({}, payload, 2).fault, Fault::none);
}

TEST(SimulationReport, SaysWhatThePythonWorkerSays) {
    EXPECT_EQ(report_step(1, 5).percent, 20);
    EXPECT_EQ(report_step(1, 5).status, "processing");
    EXPECT_EQ(report_step(1, 5).message, "Step 1/5: Processing at 20% [version: 1.0.0]");
    EXPECT_EQ(report_step(5, 5).percent, 100);
    EXPECT_EQ(report_step(5, 5).status, "finalizing");
    EXPECT_EQ(report_step(1, 3).percent, 33);
}

TEST(SimulationReport, WholeSecondsAreWholeNumbers) {
    EXPECT_EQ(number(5).dump(), "5");
    EXPECT_EQ(number(0.5).dump(), "0.5");
    EXPECT_EQ(number(0).dump(), "0");
}

TEST(SimulationReadme, ExplainsEveryFaultAndNamesNoOther) {
    std::ifstream file(EMPROPS_SOURCE_DIR "/connectors/simulation/README.md");
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const auto begin = text.find("## Faults of a job"), end = text.find("## Faults of the start");
    ASSERT_LT(begin, end);
    std::istringstream lines(text.substr(begin, end - begin));
    std::string explained;
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("| `"))
            explained += (explained.empty() ? "" : ", ") + line.substr(3, line.find('`', 3) - 3);
    EXPECT_EQ(explained, fault_names());
}

}  // namespace
}  // namespace emprops::simulation
