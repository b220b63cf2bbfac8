// `emprops-worker connector doctor` against connectors that each do one thing wrong (tests/fixtures/doctor/broken.py): it
// names exactly that. All run at once, for they mostly wait.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace emprops {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;
using Names = std::vector<std::string>;
using testing::HasSubstr;
using testing::UnorderedElementsAreArray;

const std::string worker = std::string(EMPROPS_BIN_DIR) + "/emprops-worker";
const std::string broken = std::string(EMPROPS_FIXTURES) + "/doctor/broken.py";

class Doctor {
  public:
    Doctor(std::vector<std::string> options, std::vector<std::string> command) {
        test::ChildOptions child;
        child.argv = {worker, "connector", "doctor", "--json"};
        child.argv.insert(child.argv.end(), options.begin(), options.end());
        child.argv.push_back("--");
        child.argv.insert(child.argv.end(), command.begin(), command.end());
        child.working_directory = place_.path();
        child_ = std::make_unique<test::ChildProcess>(std::move(child));
    }
    /// Its document, once it has ended.
    const Json& said() {
        if (!said_.is_null()) return said_;
        std::string text;
        while (const auto line = child_->read_line(150s))
            text += *line + "\n";
        said_ = Json::parse(text, nullptr, false);
        if (said_.is_discarded()) ADD_FAILURE() << text;
        return said_;
    }
    int code() { return child_->wait(10s).value_or(test::ExitStatus{}).code; }
    Names with(const std::string& verdict) {
        Names names;
        for (const Json& check : said().at("checks"))
            if (check.at("verdict") == verdict) names.push_back(check.at("check"));
        return names;
    }
    std::string text(const std::string& name) {
        for (const Json& check : said().at("checks"))
            if (check.at("check") == name) return check.at("text");
        return {};
    }

  private:
    test::TempDir place_;
    std::unique_ptr<test::ChildProcess> child_;
    Json said_;
};

struct Fault {
    std::string name;
    std::string level;
    Names failed;
    std::string says = "";  ///< of the first of them
};

std::unique_ptr<Doctor> examine(const Fault& fault) {
    std::vector<std::string> options{"--level", fault.level, "--timeout", "4"};
    if (fault.level == "all") options.insert(options.end(), {"--slow-payload", R"({"seconds":3})"});
    return std::make_unique<Doctor>(options, std::vector<std::string>{"python3", broken, fault.name});
}

void expect_exactly(const std::vector<Fault>& faults) {
    std::vector<std::unique_ptr<Doctor>> doctors;
    for (const Fault& fault : faults)
        doctors.push_back(examine(fault));
    for (std::size_t n = 0; n < faults.size(); ++n) {
        const Fault& fault = faults[n];
        EXPECT_THAT(doctors[n]->with("failed"), UnorderedElementsAreArray(fault.failed))
            << fault.name << " " << doctors[n]->said().dump(1);
        EXPECT_EQ(doctors[n]->code(), fault.failed.empty() ? 0 : 1) << fault.name;
        const std::string text = fault.failed.empty() ? "" : doctors[n]->text(fault.failed.front());
        EXPECT_THAT(text, HasSubstr(fault.says)) << fault.name;
    }
}

TEST(Doctor, NamesWhatIsWrongWithTheHandshake) {
    expect_exactly({
        {"nothing", "handshake", {}},
        {"no_flush", "handshake", {"ready"}, "not flushed"},
        {"utf16", "handshake", {"ready"}, "UTF-16"},
        {"text_before", "handshake", {"ready", "prints"}, "loading..."},
        {"pretty", "handshake", {"ready", "valid"}},
        {"wrong_type", "handshake", {"ready", "valid"}, "protocol"},
        {"unknown_type", "handshake", {"ready", "valid"}, "did you mean \"ready\""},
        {"exits", "handshake", {"ready"}, "KeyError: 'model'"},
        {"early_status", "handshake", {"before_ready"}, "status"},
        {"unknown_feature", "handshake", {"ready_words"}, "cancell"},
        {"no_types", "handshake", {"ready_words"}, "no job type"},
        {"unknown", "handshake", {"unknown"}},
        {"version", "handshake", {"version"}},
        {"ping", "handshake", {"ping"}},
        {"cancel_unknown", "handshake", {"cancel_unknown"}},
        {"shutdown", "handshake", {"shutdown"}, "code 3"},
        {"end_of_stdin", "handshake", {"end_of_stdin"}},
        {"term", "handshake", {"term"}},
        {"left_behind", "handshake", {"left_behind"}},
        {"valid", "handshake", {"valid"}, "connected"},
        {"stderr", "handshake", {"stderr"}},
        {"metrics", "handshake", {"metrics"}, "Jobs Done"},
    });
}

TEST(Doctor, NamesWhatIsWrongWithJobs) {
    expect_exactly({
        {"nothing", "jobs", {}},
        {"job", "jobs", {"job"}},
        {"one_end", "jobs", {"one_end"}, "2 ends"},
        {"job_id", "jobs", {"job_id"}},
        {"bad_payload", "jobs", {"bad_payload"}},
        {"refusal", "jobs", {"refusal"}},
        {"progress", "jobs", {"progress"}, "percent"},
        {"prints", "jobs", {"prints"}, "tile 1"},
        {"files", "jobs", {"files"}, "nothing.png"},
        {"work_dir", "jobs", {"work_dir"}},
        {"child_stdin", "jobs", {"child_stdin"}, "sleep"},
        {"child_stdout", "jobs", {"child_stdout"}, "sleep"},
    });
}

TEST(Doctor, NamesWhatIsWrongWithLargeAndSlowJobs) {
    expect_exactly({
        {"nothing", "all", {}},
        {"payload_1mb", "all", {"payload_1mb", "payload_8mb"}},
        {"payload_8mb", "all", {"payload_8mb"}},
        {"split_utf8", "all", {"split_utf8"}, "cut within a character"},
        {"ping_busy", "all", {"ping_busy"}},
        {"cancel", "all", {"cancel"}},
        {"concurrency", "all", {"concurrency"}, "did not overlap"},
        {"drain", "all", {"drain"}},
        {"shutdown_busy", "all", {"shutdown_busy"}},
        {"end_of_stdin_busy", "all", {"end_of_stdin_busy"}},
        {"term_busy", "all", {"term_busy"}},
    });
}

TEST(Doctor, WhatIsNotWrongIsANoteAndWhatNeedsMoreIsNotTried) {
    Doctor doctor({"--timeout", "4"}, {"python3", broken, "numbers"});
    EXPECT_THAT(doctor.with("note"), testing::ElementsAre("numbers"));
    EXPECT_THAT(doctor.with("failed"), testing::IsEmpty());
    EXPECT_THAT(doctor.with("not tried"), testing::SizeIs(7));
    Doctor none({"--level", "jobs"}, {"/nonexistent/connector"});
    EXPECT_THAT(none.with("failed"), testing::ElementsAre("start"));
    EXPECT_THAT(none.with("not reached"), testing::Contains("job"));
}

TEST(Doctor, OurOwnConnectorsAndThoseOfThePageAreHealthy) {
    const std::string scripts = std::string(EMPROPS_FIXTURES) + "/connectors/";
    const std::string bin = std::string(EMPROPS_BIN_DIR) + "/emprops-connector-";
    const std::vector<std::string> plain{"--payload", R"({"a":1})", "--timeout", "20"};
    std::vector<std::unique_ptr<Doctor>> doctors;
    const auto start = [&](const std::vector<std::string>& options, const std::vector<std::string>& command) {
        doctors.push_back(std::make_unique<Doctor>(options, command));
    };
    start(plain, {"bash", scripts + "smallest.sh"});
    start(plain, {"bash", scripts + "picture.sh"});
    start(plain, {bin + "echo"});
    start(plain, {"node", std::string(EMPROPS_SOURCE_DIR) + "/connector-sdk/node/examples/echo.js"});
    start({"--payload", R"({"processing_time":0.01})", "--slow-payload", R"({"processing_time":4})"},
          {bin + "simulation"});
    for (const auto& doctor : doctors)
        EXPECT_THAT(doctor->with("failed"), testing::IsEmpty()) << doctor->said().dump(1);
}

TEST(NewConnector, IsHealthyAsItIs) {
    test::TempDir place;
    std::vector<std::unique_ptr<test::ChildProcess>> tests;
    for (const std::string language : {"python", "node", "bash"}) {
        test::ChildOptions made;
        made.argv = {worker, "connector", "new", "my_" + language, "--lang", language};
        made.working_directory = place.path();
        ASSERT_EQ(test::ChildProcess(std::move(made)).wait().value_or(test::ExitStatus{}).code, 0)
            << language;
        test::ChildOptions examined;
        examined.argv = {place.path() / ("my_" + language) / "test.sh", "--timeout", "20"};
        examined.env = {"EMPROPS_WORKER=" + worker};
        tests.push_back(std::make_unique<test::ChildProcess>(std::move(examined)));
    }
    for (const auto& each : tests) {
        std::string said;
        while (const auto line = each->read_line(150s))
            said += *line + "\n";
        EXPECT_EQ(each->wait().value_or(test::ExitStatus{}).code, 0) << said;
    }
}

TEST(RunConnector, ShowsTheConversationAndWhatTheWorkerMakesOfIt) {
    test::ChildOptions options;
    options.argv = {worker,
                    "connector",
                    "run",
                    "--payload",
                    R"({"seed":18446744073709551615})",
                    "--",
                    "bash",
                    "-c",
                    "echo loading; exec bash " + std::string(EMPROPS_FIXTURES) + "/connectors/smallest.sh"};
    test::ChildProcess run(std::move(options));
    EXPECT_TRUE(run.read_until("<- loading"));
    EXPECT_TRUE(run.read_until("# no message, but a print"));
    EXPECT_TRUE(run.read_until(R"("payload":{"seed":18446744073709551615})"));
    EXPECT_TRUE(run.read_until("job-1 is done"));
    EXPECT_EQ(run.wait().value_or(test::ExitStatus{}).code, 0);
}

}  // namespace
}  // namespace emprops
