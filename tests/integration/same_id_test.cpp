// Two workers with one fixed id at one hub: the cause is named where people look, not only that connections end.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

using testing::HasSubstr;

TEST(SameId, OfTwoWorkersIsNamedInStatusWhyAndLog) {
    TestHub hub;
    const std::string toml =
        "[hub]\nreconnect_min = \"100ms\"\nreconnect_max = \"500ms\"\n"
        "[connectors.sim]\ncommand = [\"emprops-connector-simulation\"]\n";
    const std::vector<std::string> fixed_id{"--set", "worker.id=gpu-1", "--set", "worker.exact_id=true"};
    TestWorker one({hub.url(), toml, {}, fixed_id, {}});
    one.wait_log("connected to the Hub as gpu-1");
    TestWorker two({hub.url(), toml, {}, fixed_id, {}});
    const std::string text = "another worker probably uses this id";
    one.wait_log(text);
    two.wait_log(text);
    EXPECT_THAT(one.cli({"status"}).out, HasSubstr(text));
    EXPECT_THAT(one.cli({"why", "sim"}).out, HasSubstr(text));
    EXPECT_THAT(one.status().at("hub").at("suspicion").get<std::string>(), HasSubstr("under the id gpu-1"));
}

}  // namespace
}  // namespace emprops::test
