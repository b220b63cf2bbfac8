// `metrics` and `preparing` of a real process: what status shows, and how long a start may take.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/process_fleet_driver.h"

namespace emprops::test {
namespace {

using testing::HasSubstr;

config::ConnectorSettings shell(const std::string& script) {
    config::ConnectorSettings settings = fault_settings("c", "");
    settings.command = {"bash", "-c", script};
    return settings;
}

constexpr const char* say_ready = R"(echo '{"type":"ready","protocol":1,"job_types":["t"]}'; )";

TEST(Figures, AreShownAndWhatBreaksARuleIsToldOnce) {
    FleetDriver driver;
    ASSERT_TRUE(driver.start(
        {shell(std::string(say_ready) +
               R"(for n in 1 2 3; do echo '{"type":"metrics","counters":{"jobs_total":'$n',"Bad":1}}'; done
                  echo '{"type":"metrics","gauges":{"queue":4.5}}'; cat >/dev/null)")}));
    ASSERT_TRUE(driver.run_until([&] { return driver.status("c").figures.all().size() == 2; }));
    const auto status = driver.status("c");
    EXPECT_EQ(status.figures.all().at("jobs_total").value, 3);
    EXPECT_EQ(status.figures.all().at("queue").value, 4.5);
    EXPECT_THAT(driver.why("c"), HasSubstr("the figure \"Bad\" of its `metrics` is dropped"));
}

TEST(Preparing, MayTakeLongerThanAStart) {
    FleetDriver driver;
    auto settings = shell(R"(for n in 1 2 3 4 5 6 7 8; do
            echo '{"type":"preparing","progress":'$n'0,"message":"downloading"}'; sleep 0.25; done; )" +
                          std::string(say_ready) + R"(echo '{"type":"preparing"}'; cat >/dev/null)");
    settings.supervision.start_timeout = 1s;
    driver.fleet->configure({settings});
    ASSERT_TRUE(driver.run_until([&] { return driver.why("c").find("downloading") != std::string::npos; }));
    EXPECT_THAT(driver.why("c"), HasSubstr("is preparing, "));
    ASSERT_TRUE(driver.run_until([&] { return !driver.ready.empty(); }));
    EXPECT_TRUE(driver.gone.empty());
    ASSERT_TRUE(driver.run_until(
        [&] { return driver.why("c").find("said `preparing` after its `ready`") != std::string::npos; }));
}

TEST(Preparing, ThatFallsSilentIsStoppedWithWhatItLastSaid) {
    FleetDriver driver;
    auto settings =
        shell(R"(echo '{"type":"preparing","progress":10,"message":"downloading"}'; cat >/dev/null)");
    settings.supervision.start_timeout = 400ms;
    driver.fleet->configure({settings});
    ASSERT_TRUE(driver.run_until([&] { return driver.status("c").last_death.has_value(); }));
    EXPECT_THAT(
        driver.status("c").last_death->summary(),
        HasSubstr("nothing was heard for 400 ms (start_timeout); it was preparing, 10 %: downloading"));
}

}  // namespace
}  // namespace emprops::test
