// Files on their way: bounded, on disks that are full or others, of other users, of jobs that come back.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "tests/support/files_place.h"
#include "tests/support/s3_double.h"

namespace emprops::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string store_of(const S3Double& server, const std::string& timeout = "2s") {
    return "[stores.results]\ntype = \"s3\"\nendpoint = \"" + server.endpoint() +
           "\"\nbucket = \"results\"\naccess_key = \"AK\"\nsecret_key = \"secret\"\ntimeout = \"" + timeout +
           "\"\n";
}
void away(S3Double& server) {
    server.fail(
        {.method = "PUT", .text = "", .kind = S3Fault::Kind::answer, .status = 503, .count = 1'000'000});
}

/// A file system of its own, in a namespace of the worker's; `folder` is relative to the worker's.
std::vector<std::string> with_disk(const std::string& folder, const std::string& size) {
    std::vector<std::string> launcher{"unshare", "-m"};
    if (::geteuid() != 0) launcher.emplace_back("-r");
    launcher.insert(launcher.end(),
                    {"sh", "-c",
                     "mkdir -p -m 700 state && mkdir -p " + folder + " && mount -t tmpfs -o size=" + size +
                         " none " + folder + " && exec \"$@\"",
                     "sh"});
    return launcher;
}
bool has_namespaces() {
    return std::system(::geteuid() == 0 ? "unshare -m true 2> /dev/null"
                                        : "unshare -m -r true 2> /dev/null") == 0;
}

TEST(FilesSpool, IsBoundedWhileTheDestinationIsAwayAndNoRenderIsLost) {
    S3Double server;
    away(server);
    FilesPlace place{{.stores = store_of(server), .files = "deliver = [\"results\"]\nspool_max_jobs = 5\n"}};
    std::vector<std::string> ids;
    for (int i = 0; i < 50; ++i)
        ids.push_back(place.client.submit("files", Json::object()));
    EXPECT_TRUE(wait_until([&] { return place.count_runs() == 6; }))
        << "five in the spool, one keeps its slot";
    place.wait_job(ids[5], "collecting");
    EXPECT_FALSE(wait_until([&] { return place.count_runs() > 6; }, Ms(1'500)));
    const Json files = place.worker->status().at("files");
    EXPECT_EQ(files.at("jobs"), 5);
    EXPECT_EQ(files.at("bytes"), 25);
    server.clear_faults();
    for (const std::string& id : ids)
        EXPECT_EQ(wait_job_status(place.hub, id, "completed", Ms(90'000)), "completed");
    EXPECT_EQ(server.object_names().size(), 50u);
    EXPECT_EQ(place.count_runs(), 50);
    for (const auto& [id, count] : place.ends())
        EXPECT_EQ(count, 1) << id;
    place.wait_empty_spool();
    place.worker->stop_and_wait();
}

TEST(FilesSpool, WhoeverLeavesTakesWhatWaitsForRoomAsWell) {
    FilesPlace place{
        {.files = "deliver = [\"results\"]\nspool_max_jobs = 1\n",
         .arguments = {"--set", "worker.drain_timeout=1s", "--set", "supervision.stop_shutdown=200ms",
                       "--set", "supervision.stop_term=200ms"}}};
    ASSERT_EQ(::kill(place.pid_of("courier"), SIGSTOP), 0);
    std::vector<std::string> ids{place.client.submit("files", Json::object())};
    place.wait_delivering(ids.front());
    ids.push_back(place.client.submit("files", Json::object()));
    place.wait_noted(ids.back());
    place.worker->stop_and_wait();
    EXPECT_EQ(std::distance(fs::directory_iterator(place.spool()), {}), 2);
    place.worker->start();
    for (const std::string& id : ids)
        EXPECT_EQ(place.client.completed(id, Ms(60'000)).at("text").at("sha256"), hello_sha256);
    EXPECT_EQ(place.count_runs(), 2);
    place.worker->stop_and_wait();
}

TEST(FilesSpool, AResultThatItCouldNeverHoldIsRefusedAtOnce) {
    FilesPlace place{{.files = "deliver = [\"results\"]\nspool_max_bytes = \"1MiB\"\n"}};
    const std::string error = place.client.failed(place.client.submit("files", {{"mib", 2}}));
    EXPECT_THAT(error, AllOf(HasSubstr("2 MiB"), HasSubstr("files.spool_max_bytes")));
    EXPECT_EQ(place.client.completed(place.client.submit("files", {{"mib", 1}})).at("text").at("size"),
              1 << 20);
    place.worker->stop_and_wait();
}

/// A job that was rendered, and whose store is away.
struct KeptJob : testing::Test {
    S3Double server;
    FilesPlace place{
        {.stores = store_of(server), .files = "deliver = [\"results\"]\ndeliver_timeout = \"1s\"\n"}};
    std::string id;

    void SetUp() override {
        away(server);
        id = place.client.submit("files", Json::object());
        EXPECT_THAT(place.client.failed(id), HasSubstr("They are kept in "));
    }
};

TEST_F(KeptJob, ThatComesBackIsDeliveredAndNotRenderedAgain) {
    EXPECT_THAT(place.client.failed(id), HasSubstr("They are kept in ")) << "the hub has given it once more";
    server.clear_faults();
    EXPECT_EQ(place.client.completed(id, Ms(60'000)).at("text").at("sha256"), hello_sha256);
    EXPECT_EQ(place.count_runs(), 1);
    EXPECT_EQ(server.object_names().size(), 1u);
    EXPECT_THAT(place.worker->log(), HasSubstr("came back with the files of its result still here"));
    place.wait_empty_spool();
    place.worker->stop_and_wait();
}

TEST_F(KeptJob, SoItIsAfterAKill) {
    place.kill_worker();
    server.clear_faults();
    place.worker->start();
    EXPECT_EQ(place.client.completed(id, Ms(60'000)).at("text").at("sha256"), hello_sha256);
    EXPECT_EQ(place.count_runs(), 1);
    place.wait_empty_spool();
    place.worker->stop_and_wait();
}

TEST(FilesSpool, AConnectorThatGoesOnWritingSpoilsItsOwnJobOnly) {
    FilesPlace place;
    const int courier = place.pid_of("courier");
    ASSERT_EQ(::kill(courier, SIGSTOP), 0);
    const std::string id = place.client.submit("files", {{"make", "on"}});
    // It is seen at once that it grows, or the courier will see that it has grown meanwhile.
    std::uintmax_t first = 0;
    EXPECT_TRUE(wait_until([&] {
        if (place.worker->log().find("was changed after the result") != std::string::npos) return true;
        std::error_code gone;
        for (fs::directory_iterator each(place.spool(), gone), end; !gone && each != end;
             each.increment(gone)) {
            const std::uintmax_t size = fs::file_size(each->path() / "out" / "a.txt", gone);
            if (first == 0 && !gone) first = size;
            if (!gone && size > first) return true;
        }
        return false;
    }));
    ASSERT_EQ(::kill(courier, SIGCONT), 0);
    const std::string error = place.client.failed(id);
    EXPECT_THAT(error, HasSubstr("a.txt"));
    for (const auto& each : fs::recursive_directory_iterator(place.store()))
        EXPECT_FALSE(each.is_regular_file()) << each.path() << ": not one half of it";
    place.worker->cli({"cancel", id});
    EXPECT_EQ(place.client.completed(place.client.submit("files", Json::object())).at("text").at("sha256"),
              hello_sha256);
    place.worker->stop_and_wait();
}

TEST(FilesSpool, LittleRoomOnTheDiskStopsClaimsBeforeAnythingIsLost) {
    FilesPlace place{{.files = "deliver = [\"results\"]\nmin_free = \"1024TiB\"\n"}};
    const std::string id = place.client.submit("files", Json::object());
    place.worker->wait_log("claims no new jobs: the disk of ");
    EXPECT_EQ(place.worker->status().at("jobs").at("assigned"), 0);
    EXPECT_THAT(place.worker->status().at("files").at("problem").get<std::string>(),
                HasSubstr("files.min_free"));
    EXPECT_THAT(place.worker->cli({"why", "files"}).out,
                AllOf(HasSubstr("it takes no jobs: the disk of "), HasSubstr("make room there")));
    const fs::path config = place.worker->dir() / "emprops-worker.toml";
    std::string text = text_of(config);
    text.replace(text.find("1024TiB"), 7, "1KiB");
    std::ofstream(config) << text;
    EXPECT_EQ(place.worker->cli({"reload"}).exit_code, 0);
    EXPECT_EQ(place.client.completed(id).at("text").at("sha256"), hello_sha256);
    EXPECT_EQ(place.worker->status().at("files").at("problem"), "");
    place.worker->stop_and_wait();
}

TEST(FilesSpool, AFullDiskIsWaitedForAndNoRenderIsLost) {
    if (!has_namespaces()) GTEST_SKIP() << "needs root, or namespaces for everybody";
    FilesPlace place{
        {.files = "deliver = [\"results\"]\nmin_free = \"0\"\n", .launcher = with_disk("state/spool", "3m")}};
    const int courier = place.pid_of("courier");
    ASSERT_EQ(::kill(courier, SIGSTOP), 0);
    std::vector<std::string> ids{place.client.submit("files", {{"mib", 2}})};
    place.wait_delivering(ids.front());
    ids.push_back(place.client.submit("files", {{"mib", 2}}));
    place.worker->wait_log("its files cannot be taken now (");
    ASSERT_EQ(::kill(courier, SIGCONT), 0);
    for (const std::string& id : ids)
        EXPECT_EQ(place.client.completed(id, Ms(60'000)).at("text").at("size"), 2 << 20);
    EXPECT_EQ(place.count_runs(), 2);
    place.wait_empty_spool();
    EXPECT_TRUE(fs::is_empty(place.state() / "work" / "taken"));
    place.worker->stop_and_wait();
}

TEST(FilesSpool, ASpoolThatCannotBeMadeIsWaitedForAlsoByTheNextWorker) {
    FilesPlace place;
    // There is no folder before the first job.
    ASSERT_FALSE(fs::exists(place.spool()));
    std::ofstream(place.spool()) << "no folder";
    const std::string id = place.client.submit("files", Json::object());
    place.worker->wait_log("its files cannot be taken now (");
    place.kill_worker();
    place.worker->start();
    place.worker->wait_log("stay where they are for now");
    fs::remove(place.spool());
    EXPECT_EQ(place.client.completed(id, Ms(60'000)).at("text").at("sha256"), hello_sha256);
    EXPECT_EQ(place.count_runs(), 1);
    place.worker->stop_and_wait();
}

TEST(FilesSpool, WhatCouldNotBeTakenLeavesNoFolderBehind) {
    FilesPlace place{{.files = "deliver = [\"results\"]\ndeliver_timeout = \"1s\"\n"}};
    ASSERT_FALSE(fs::exists(place.spool()));
    std::ofstream(place.spool()) << "no folder";
    const std::string id = place.client.submit("files", Json::object());
    EXPECT_THAT(place.client.failed(id), HasSubstr("cannot make the spool"));
    place.worker->cli({"cancel", id});
    EXPECT_TRUE(wait_until([&] { return fs::is_empty(place.state() / "work" / "files-0" / "jobs"); }));
    fs::remove(place.spool());
    EXPECT_EQ(place.client.completed(place.client.submit("files", Json::object())).at("text").at("sha256"),
              hello_sha256);
    place.worker->stop_and_wait();
}

TEST(FilesSpool, AFileSystemThatKnowsNoMoveWithoutReplacingIsAsGood) {
    for (const int number : {EINVAL, ENOSYS}) {
        FilesPlace place{{.launcher = {EMPROPS_DENY_CALLS,
                                       std::to_string(SYS_renameat2) + ":" + std::to_string(number), "--"}}};
        EXPECT_EQ(
            place.client.completed(place.client.submit("files", Json::object())).at("text").at("sha256"),
            hello_sha256);
        EXPECT_EQ(place.count_runs(), 1);
        place.worker->stop_and_wait();
    }
}

TEST(FilesSpool, AFullDiskCostsTheJobThatDoesNotFitAndNoOther) {
    if (!has_namespaces()) GTEST_SKIP() << "needs root, or namespaces for everybody";
    FilesPlace place{{.files = "deliver = [\"results\"]\nmin_free = \"0\"\ndeliver_timeout = \"1s\"\n",
                      .launcher = with_disk("state/spool", "3m")}};
    // The scratch folders are on another disk: what comes into the spool is copied.
    EXPECT_EQ(place.client.completed(place.client.submit("files", {{"mib", 2}})).at("text").at("size"),
              2 << 20);
    const std::string id = place.client.submit("files", {{"mib", 5}});
    const std::string error = place.client.failed(id);
    EXPECT_THAT(error, AllOf(HasSubstr("out/a.txt"), HasSubstr("No space left on device"),
                             HasSubstr("They are kept in ")));
    EXPECT_EQ(std::distance(fs::directory_iterator(place.state() / "work" / "taken"), {}), 1)
        << "it is there for when there is room";
    place.worker->cli({"cancel", id});
    EXPECT_EQ(place.client.completed(place.client.submit("files", {{"mib", 2}})).at("text").at("size"),
              2 << 20)
        << "what did not fit takes no room";
    place.worker->stop_and_wait();
}

TEST(FilesSpool, AFileThatLeavesLittleRoomIsDeliveredBeforeTheNextJobIsClaimed) {
    if (!has_namespaces()) GTEST_SKIP() << "needs root, or namespaces for everybody";
    FilesPlace place{{.files = "deliver = [\"results\"]\nmin_free = \"6MiB\"\n",
                      .launcher = with_disk("state/spool", "12m")}};
    const int courier = place.pid_of("courier");
    ASSERT_EQ(::kill(courier, SIGSTOP), 0);
    const std::string first = place.client.submit("files", {{"mib", 8}});
    place.wait_delivering(first);
    place.worker->wait_log("claims no new jobs: the disk of ");
    const std::string second = place.client.submit("files", {{"mib", 8}});
    EXPECT_FALSE(wait_until([&] { return place.count_runs() > 1; }, Ms(1'500)));
    ASSERT_EQ(::kill(courier, SIGCONT), 0);
    for (const std::string& id : {first, second})
        EXPECT_EQ(place.client.completed(id, Ms(60'000)).at("text").at("size"), 8 << 20);
    place.worker->stop_and_wait();
}

TEST(FilesSpool, TakesTheFilesOfAConnectorThatRunsAsAnotherUser) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    FilesPlace place{{.connector = "user = \"nobody\"\n",
                      .script_in_command = true,
                      .launcher = {"sh", "-c", "chmod 711 . && mkdir -p -m 711 state && exec \"$@\"", "sh"}}};
    const Json entry = place.client.completed(place.client.submit("files", Json::object())).at("text");
    EXPECT_EQ(entry.at("sha256"), hello_sha256);
    EXPECT_EQ(entry.at("delivery"), "results");
    const std::string hard = place.client.submit("files", {{"make", "hard"}});
    EXPECT_EQ(place.client.completed(hard).at("text").at("sha256"), hello_sha256);
    place.worker->stop_and_wait();
}

}  // namespace
}  // namespace emprops::test
