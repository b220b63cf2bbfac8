// What a child gets of `user`, `nice`, `cpu_affinity`, `oom_score_adj`, limits and memory group, as the
// kernel says it. The child is a shell: no sanitizer of ours, and every user may start it.

#include <gmock/gmock.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/process_fleet_driver.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

bool root() {
    return ::geteuid() == 0;
}

/// Answers each job with what /proc and the shell say of it.
config::ConnectorSettings reporter() {
    auto settings = fault_settings("c", "");
    settings.command = {"/bin/sh", "-c", R"sh(
echo '{"type":"ready","protocol":1,"job_types":["t"]}'
status() { sed -n "s/^$1:[[:space:]]*//p" /proc/$$/status | tr '\t' ' '; }
while read -r line; do
  case $line in *'"type":"job"'*) ;; *'"type":"shutdown"'*) exit 0 ;; *) continue ;; esac
  id=$(printf '%s' "$line" | sed 's/.*"job_id":"\([^"]*\)".*/\1/')
  dir=$(printf '%s' "$line" | sed 's/.*"work_dir":"\([^"]*\)".*/\1/')
  may=no; echo x 2>/dev/null >"$dir/file" && echo x 2>/dev/null >file && may=yes
  opens=no; (: </dev/stdin) 2>/dev/null && (: >/dev/stdout) 2>/dev/null && (: >/dev/stderr) 2>/dev/null && opens=yes
  printf '{"type":"result","job_id":"%s","result":{"uid":"%s","gid":"%s","groups":"%s","no_new_privs":"%s",' "$id" \
    "$(status Uid)" "$(status Gid)" "$(status Groups)" "$(status NoNewPrivs)"
  printf '"cpus":"%s","blocked":"%s","ignored":"%s","nice":"%s","oom":"%s",' "$(status Cpus_allowed_list)" \
    "$(status SigBlk)" "$(status SigIgn)" "$(cut -d' ' -f19 /proc/$$/stat)" "$(cat /proc/$$/oom_score_adj)"
  printf '"files":"%s","space":"%s","core":"%s","writes":"%s","opens":"%s","gpu":"%s"}}\n' \
    "$(ulimit -n)" "$(ulimit -v)" "$(ulimit -c)" "$may" "$opens" "$GPU"
done
)sh"};
    return settings;
}

std::set<std::string> descriptors_of(int pid) {
    std::set<std::string> open;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd"))
        open.insert(entry.path().filename().string());
    return open;
}

json report_of(FleetDriver& driver, const config::ConnectorSettings& settings) {
    if (!driver.start({settings})) {
        ADD_FAILURE() << driver.why("c");
        return json::object();
    }
    const auto result = driver.result_of("c", "j");
    EXPECT_TRUE(result) << driver.why("c");
    return json::parse(result.value_or("{}"));
}

TEST(Child, HasThreeDescriptorsDefaultSignalsAndNoNewPrivilegesUnlessAskedForOtherwise) {
    FleetDriver driver;
    auto settings = reporter();
    settings.env = {{"GPU", "{instance}"}};
    const json report = report_of(driver, settings);
    EXPECT_THAT(descriptors_of(driver.status("c").pid), testing::ElementsAre("0", "1", "2"));
    EXPECT_EQ(report.value("blocked", ""), "0000000000000000");
    EXPECT_EQ(report.value("ignored", ""), "0000000000000000");
    EXPECT_EQ(report.value("no_new_privs", ""), "1");
    EXPECT_EQ(report.value("gpu", ""), "0");
    EXPECT_EQ(report.value("core", ""), "0");
    EXPECT_EQ(report.value("writes", ""), "yes");
    EXPECT_EQ(report.value("uid", "").substr(0, report.value("uid", "").find(' ')),
              std::to_string(::getuid()));
    FleetDriver other;
    settings.supervision.no_new_privs = false;
    EXPECT_EQ(report_of(other, settings).value("no_new_privs", ""), "0");
}

TEST(Child, RunsWithItsLimits) {
    FleetDriver driver;
    auto settings = reporter();
    settings.supervision.nice = 7;
    settings.supervision.oom_score_adj = 600;
    settings.supervision.cpu_affinity = {0};
    settings.supervision.limit_open_files = 64;
    settings.supervision.limit_address_space = 512 * config::MiB;
    settings.supervision.limit_core = 1 * config::MiB;
    const json report = report_of(driver, settings);
    EXPECT_EQ(report.value("nice", ""), "7");
    EXPECT_EQ(report.value("oom", ""), "600");
    EXPECT_EQ(report.value("cpus", ""), "0");
    EXPECT_EQ(report.value("files", ""), "64");
    EXPECT_EQ(report.value("space", ""), std::to_string(512 * 1024));
    // In blocks of 512 bytes; a lower hard limit of ours may stand in the way.
    EXPECT_THAT(report.value("core", ""),
                testing::AnyOf(std::string("2048"), std::string("1024"), std::string("0")));
}

TEST(Child, RunsAsAnotherUserOrTheErrorSaysWhyNot) {
    const passwd* nobody = ::getpwnam("nobody");
    ASSERT_NE(nobody, nullptr);
    const uid_t uid = nobody->pw_uid;
    const gid_t gid = nobody->pw_gid;
    FleetDriver driver;
    ASSERT_EQ(::chmod(driver.state.path().c_str(), 0755), 0);
    auto settings = reporter();
    settings.supervision.user = "nobody";
    if (!root()) {
        driver.fleet->configure({settings});
        EXPECT_THAT(driver.status("c").last_death->start_error,
                    testing::AllOf(HasSubstr("`user`"), HasSubstr("not permitted")));
        EXPECT_EQ(driver.status("c").state, State::backoff);
        return;
    }
    const json report = report_of(driver, settings);
    const auto four = [](auto id) {
        const std::string one = std::to_string(id);
        return one + " " + one + " " + one + " " + one;
    };
    EXPECT_EQ(report.value("uid", ""), four(uid)) << "real, effective, saved and file system";
    EXPECT_EQ(report.value("gid", ""), four(gid));
    EXPECT_EQ(report.value("groups", ""), std::to_string(gid) + " ") << "none of ours";
    EXPECT_EQ(report.value("writes", ""), "yes") << "its folders are its own";
    EXPECT_EQ(report.value("opens", ""), "yes") << "and /dev/stdin, /dev/stdout and /dev/stderr";
    struct stat folder {};
    ASSERT_EQ(::stat((driver.state / "work").c_str(), &folder), 0);
    EXPECT_EQ(folder.st_uid, ::getuid()) << "what holds them is not";
}

TEST(Child, OfANicerPriorityThanOursNeedsPrivilegesAndSaysSo) {
    FleetDriver driver;
    auto settings = reporter();
    settings.supervision.nice = -5;
    driver.fleet->configure({settings});
    if (root() && driver.run_until([&] { return !driver.ready.empty(); }, 10s)) {
        EXPECT_EQ(json::parse(driver.result_of("c", "j").value_or("{}")).value("nice", ""), "-5");
        return;
    }
    EXPECT_THAT(driver.status("c").last_death->start_error, HasSubstr("`nice`"));
}

TEST(Child, HasAMemoryGroupOfItsOwnOrTheLogSaysWhyNot) {
    TestHub hub;
    TestWorker worker({hub.url(), "[connectors.simulation]\ncgroup_memory_max = \"256MiB\"\n", {}, {}, {}});
    worker.wait_state("simulation", "ready");
    if (worker.log().find("no memory limit by cgroup (cgroup_memory_max): ") != std::string::npos) return;
    const int pid = worker.connector("simulation").at("pid");
    std::ifstream file("/proc/" + std::to_string(pid) + "/cgroup");
    const std::string group{std::istreambuf_iterator<char>(file), {}};
    EXPECT_THAT(group, HasSubstr("/connector-simulation-0-")) << worker.log();
}

}  // namespace
}  // namespace emprops::test
