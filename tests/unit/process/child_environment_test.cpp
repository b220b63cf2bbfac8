#include "supervisor/process/child_environment.h"

#include <gtest/gtest.h>

#include "supervisor/process/os/find_executable.h"
#include "tests/support/temp_dir.h"

namespace emprops::process {
namespace {

using Environment = std::map<std::string, std::string>;

TEST(ChildEnvironment, HoldsTheBaseListAndWhatIsConfiguredAndNothingElse) {
    config::ConnectorSettings settings;
    settings.env = {{"API_KEY", "own"}, {"LANG", "C"}};
    const auto environment = child_environment(
        settings, 0, {"PATH=/bin", "LANG=de", "LC_TIME=de", "HUB_TOKEN=t", "EMPROPS_X=y", "LCX=z", "odd"});
    EXPECT_EQ(environment, (Environment{{"API_KEY", "own"},
                                        {"EMPROPS_CONNECTOR", "1"},
                                        {"LANG", "C"},
                                        {"LC_TIME", "de"},
                                        {"PATH", "/bin"}}));
}

TEST(ChildEnvironment, TheInstanceIsReplacedWhereverItStands) {
    config::ConnectorSettings settings;
    settings.env = {{"CUDA_VISIBLE_DEVICES", "{instance}"}, {"PORT", "81{instance}8{instance}"}};
    const auto environment = child_environment(settings, 12, {});
    EXPECT_EQ(environment.at("CUDA_VISIBLE_DEVICES"), "12");
    EXPECT_EQ(environment.at("PORT"), "8112812");
    EXPECT_EQ(with_instance("{instanc}", 3), "{instanc}");
}

TEST(FindExecutable, TheFirstPlaceThatHasItWins) {
    test::TempDir folder;
    const ProgramSearch search{"x", "", {}};
    const auto extra = folder.write_script("extra/emprops-connector-x", "#!/bin/sh\n");
    EXPECT_EQ(find_executable(search, folder / "bin", {folder / "extra"})->path, extra);
    const auto libexec = folder.write_script("libexec/emprops-worker/emprops-connector-x", "#!/bin/sh\n");
    EXPECT_EQ(find_executable(search, folder / "bin", {folder / "extra"})->path, libexec);
    const auto beside = folder.write_script("bin/emprops-connector-x", "#!/bin/sh\n");
    EXPECT_EQ(find_executable(search, folder / "bin", {folder / "extra"})->path, beside);
}

TEST(FindExecutable, ACommandIsAPathOrIsSearchedInThePathOfTheConnector) {
    test::TempDir folder;
    ProgramSearch search{"x", "", {}};
    const auto tool = folder.write_script("tools/run-x", "#!/bin/sh\n");
    search.program = tool.string();
    EXPECT_EQ(find_executable(search, "/none", {})->path, tool);
    search.program = "run-x";
    EXPECT_FALSE(find_executable(search, "/none", {}).ok());
    search.environment["PATH"] = "/none:" + (folder / "tools").string();
    EXPECT_EQ(find_executable(search, "/none", {})->path, tool);
}

TEST(FindExecutable, OurOwnFoldersAreForOurOwnNames) {
    test::TempDir folder;
    const auto right = folder.write_script("venv/mypython", "#!/bin/sh\n");
    folder.write_script("bin/mypython", "#!/bin/sh\n");
    folder.write_script("extra/mypython", "#!/bin/sh\n");
    const std::string path = (folder / "venv").string();
    EXPECT_EQ(find_executable({"x", "mypython", {{"PATH", path}}}, folder / "bin", {folder / "extra"})->path,
              right);
    EXPECT_FALSE(
        find_executable({"x", "mypython", {{"PATH", "/none"}}}, folder / "bin", {folder / "extra"}).ok());
    folder.write_script("venv/emprops-connector-x", "#!/bin/sh\n");
    const auto own = folder.write_script("bin/emprops-connector-x", "#!/bin/sh\n");
    EXPECT_EQ(find_executable({"y", "emprops-connector-x", {{"PATH", path}}}, folder / "bin", {})->path, own);
}

TEST(FindExecutable, ThePathIsTheOneThatTheChildGets) {
    config::ConnectorSettings settings;
    settings.name = "x";
    settings.command = {"tool"};
    settings.service.command = {"tool-{instance}"};
    settings.service.env = {{"PATH", "/service"}};
    EXPECT_EQ(connector_search(settings, 0, {"PATH=/worker"}).environment.at("PATH"), "/worker");
    settings.env = {{"PATH", "/own/{instance}"}};
    EXPECT_EQ(connector_search(settings, 2, {"PATH=/worker"}).environment.at("PATH"), "/own/2");
    const ProgramSearch service = service_search(settings, 1, {"PATH=/worker"});
    EXPECT_EQ(service.environment.at("PATH"), "/service");
    EXPECT_EQ(service.program, "tool-1");
    EXPECT_EQ(service.connector, "x.service");
}

TEST(FindExecutable, AConnectorOfThePythonWorkerIsGivenToItsHost) {
    test::TempDir folder;
    const auto host = folder.write_script("bin/emprops-connector-python", "#!/bin/sh\n");
    const auto module = folder.write_file("old/my_connector.py", "");
    const std::vector<std::filesystem::path> dirs{folder / "extra", folder / "old"};
    const auto found = find_executable({"my", "", {}}, folder / "bin", dirs);
    ASSERT_TRUE(found.ok()) << found.error().message;
    EXPECT_EQ(found->path, host);
    EXPECT_EQ(found->arguments, std::vector<std::string>{module.string()});
    // A command is a command, a program of its own comes first, and nothing is found beside the named folders.
    EXPECT_FALSE(find_executable({"my", "my", {}}, folder / "bin", dirs).ok());
    const auto missing = find_executable({"other", "", {}}, folder / "bin", dirs);
    ASSERT_FALSE(missing.ok());
    EXPECT_NE(missing.error().message.find((folder / "old/other_connector.py").string()), std::string::npos);
    const auto own = folder.write_script("extra/emprops-connector-my", "#!/bin/sh\n");
    EXPECT_EQ(find_executable({"my", "", {}}, folder / "bin", dirs)->path, own);
}

TEST(FindExecutable, AFailureNamesEveryPlaceAndAFileThatMayNotBeExecuted) {
    test::TempDir folder;
    const auto plain = folder.write_file("extra/emprops-connector-x", "data");
    const auto found = find_executable({"x", "", {}}, folder / "bin", {folder / "extra", folder / "more"});
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code, "not_found");
    for (const char* place : {"bin", "libexec", "extra", "more"})
        EXPECT_NE(found.error().message.find((folder / place).string()), std::string::npos) << place;
    EXPECT_NE(found.error().message.find(plain.string() + " is there but may not be executed"),
              std::string::npos);
}

}  // namespace
}  // namespace emprops::process
