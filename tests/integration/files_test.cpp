// Files of results, end to end: connectors in bash, the worker, its courier and the local hub.

#include <gtest/gtest.h>

#include <csignal>

#include "tests/support/files_place.h"

namespace emprops::test {
namespace {

TEST(Files, ABashConnectorOfTenLinesDeliversAPicture) {
    FilesPlace place({.fixture = "picture.sh"});
    const std::string id = place.client.submit("paint", Json::object());
    const Json entry = place.client.completed(id).at("picture");
    EXPECT_EQ(entry.at("name"), "red.ppm");
    EXPECT_EQ(entry.at("mime_type"), "image/x-portable-pixmap");
    EXPECT_EQ(entry.at("delivery"), "results");
    EXPECT_EQ(text_of(entry.at("path").get<std::string>()), "P3 1 1 255  255 0 0\n");
    place.wait_empty_spool();
    place.worker->stop_and_wait();
}

TEST(Files, WhatAFileSaysOfItselfWinsAndItsOtherMembersGoAlong) {
    FilesPlace place;
    const std::string id = place.client.submit("files", {{"deliver", {"inline"}}});
    const Json result = place.client.completed(id);
    const Json& entry = result.at("text");
    EXPECT_EQ(entry.at("data"), "aGVsbG8=");
    EXPECT_EQ(entry.at("delivery"), "inline");
    EXPECT_EQ(entry.at("sha256"), hello_sha256);
    EXPECT_EQ(entry.at("size"), 5);
    EXPECT_EQ(entry.at("node"), "9");
    EXPECT_EQ(entry.at("subfolder"), "x");
    EXPECT_NE(place.client.hub.last_text().find("\"seed\":1.10"), std::string::npos) << "byte for byte";
    place.wait_empty_spool();
    place.worker->stop_and_wait();
}

TEST(Files, AHardLinkIsCopied) {
    FilesPlace place;
    const Json entry = place.client.completed(place.client.submit("files", {{"make", "hard"}})).at("text");
    EXPECT_EQ(text_of(entry.at("path").get<std::string>()), "hello");
    place.worker->stop_and_wait();
}

TEST(Files, APathThatLeadsOutOfTheJobsFolderFailsTheJobByName) {
    FilesPlace place;
    for (const char* how : {"link", "outside"}) {
        const std::string id = place.client.submit("files", {{"make", how}});
        const std::string error = place.client.failed(id);
        EXPECT_NE(error.find(how == std::string("link") ? "out/b.txt" : "../../a.txt"), std::string::npos)
            << error;
        EXPECT_NE(error.find(how == std::string("link") ? "links are not followed" : "holds a part \"..\""),
                  std::string::npos)
            << error;
    }
    EXPECT_TRUE(fs::is_empty(place.store()));
    place.worker->stop_and_wait();
}

TEST(Files, TheSlotIsFreeWhileTheCourierIsAtWork) {
    FilesPlace place;
    const int courier = place.pid_of("courier");
    ASSERT_EQ(::kill(courier, SIGSTOP), 0);
    std::vector<std::string> ids;
    for (int i = 0; i < 3; ++i)
        ids.push_back(place.client.submit("files", Json::object()));
    for (const std::string& id : ids)
        place.wait_delivering(id);  // each of them needed the only slot
    EXPECT_EQ(place.count_runs(), 3);
    ASSERT_EQ(::kill(courier, SIGCONT), 0);
    for (const std::string& id : ids)
        EXPECT_EQ(place.client.completed(id).at("text").at("sha256"), hello_sha256);
    place.wait_empty_spool();
    place.worker->stop_and_wait();
}

TEST(Files, ADeadCourierCostsNothingButTime) {
    FilesPlace place;
    ASSERT_EQ(::kill(place.pid_of("courier"), SIGSTOP), 0);
    const std::string id = place.client.submit("files", Json::object());
    place.wait_delivering(id);
    ASSERT_EQ(::kill(place.pid_of("courier"), SIGKILL), 0);
    EXPECT_EQ(place.client.completed(id).at("text").at("sha256"), hello_sha256);
    EXPECT_EQ(place.count_runs(), 1);
    EXPECT_NE(place.worker->log().find("the courier ended with \"a.txt\" in hand"), std::string::npos);
    place.worker->stop_and_wait();
}

TEST(Files, AKilledWorkerGoesOnWithTheDeliveryAndRunsNothingAgain) {
    FilesPlace place;
    ASSERT_EQ(::kill(place.pid_of("courier"), SIGSTOP), 0);
    const std::string id = place.client.submit("files", Json::object());
    place.wait_delivering(id);
    place.kill_worker();
    place.worker->start();
    EXPECT_EQ(place.client.completed(id, Ms(60'000)).at("text").at("sha256"), hello_sha256);
    EXPECT_EQ(place.count_runs(), 1);
    place.wait_empty_spool();
    place.worker->stop_and_wait();
}

TEST(Files, AStopLeavesWhatIsNotDeliveredToTheNextStart) {
    FilesPlace place(
        {.arguments = {"--set", "worker.drain_timeout=1s", "--set", "supervision.stop_shutdown=200ms",
                       "--set", "supervision.stop_term=200ms"}});
    ASSERT_EQ(::kill(place.pid_of("courier"), SIGSTOP), 0);
    const std::string id = place.client.submit("files", Json::object());
    place.wait_delivering(id);
    place.worker->stop_and_wait();
    EXPECT_FALSE(fs::is_empty(place.spool()));
    place.worker->start();
    EXPECT_EQ(place.client.completed(id, Ms(60'000)).at("text").at("sha256"), hello_sha256);
    EXPECT_EQ(place.count_runs(), 1);
    place.worker->stop_and_wait();
}

TEST(Files, WhateverIsKilledEachFileArrivesOnceAndEachJobEndsOnce) {
    FilesPlace place;
    std::vector<std::string> ids;
    for (int i = 0; i < 40; ++i)
        ids.push_back(place.client.submit("files", {{"release", i % 2 == 0}}));
    const auto kill_and_go_on = [&](const char* name) {
        const Json one = place.worker->connector(name);
        if (const int pid = one.value("pid", 0); pid > 1) ::kill(pid, SIGKILL);
    };
    for (const char* name : {"courier", "files", "courier"}) {
        place.client.hub.receive("complete_job");
        kill_and_go_on(name);
    }
    place.client.hub.receive("complete_job", {}, Ms(60'000));
    place.kill_worker();
    place.worker->start();
    for (const std::string& id : ids) {
        EXPECT_EQ(wait_job_status(place.hub, id, "completed", Ms(90'000)), "completed");
        EXPECT_EQ(text_of(place.store() / id / "a.txt"), "hello");
    }
    for (const auto& [id, count] : place.ends(false))
        EXPECT_EQ(count, 1) << id;
    std::size_t objects = 0;
    for (const auto& each : fs::recursive_directory_iterator(place.store()))
        objects += each.is_regular_file() ? 1 : 0;
    EXPECT_EQ(objects, ids.size()) << "no second object, and no half of one";
    place.wait_empty_spool();
    place.worker->stop_and_wait();
}

TEST(Files, ACancelledDeliveryLeavesNothingBehind) {
    FilesPlace place;
    const int courier = place.pid_of("courier");
    ASSERT_EQ(::kill(courier, SIGSTOP), 0);
    const std::string id = place.client.submit("files", Json::object());
    place.wait_delivering(id);
    place.worker->cli({"cancel", id});
    EXPECT_EQ(wait_job_status(place.hub, id, "cancelled", Ms(20'000)), "cancelled");
    place.wait_empty_spool();
    ASSERT_EQ(::kill(courier, SIGCONT), 0);
    const std::string next = place.client.submit("files", Json::object());
    EXPECT_EQ(place.client.completed(next).at("text").at("sha256"), hello_sha256) << "the courier is well";
    place.worker->stop_and_wait();
}

TEST(Files, AConnectorMayEndRightAfterItsResult) {
    FilesPlace place;
    const std::string id = place.client.submit("files", {{"make", "exit"}});
    EXPECT_EQ(place.client.completed(id).at("text").at("sha256"), hello_sha256);
    EXPECT_EQ(place.count_runs(), 1);
    place.worker->stop_and_wait();
}

TEST(Files, WhatNoStoreTakesIsKeptAndItsJobSaysWhere) {
    FilesPlace place({.files = "deliver = [\"results\"]\n"});
    fs::remove_all(place.store());
    std::ofstream(place.store()) << "no folder";
    const std::string id = place.client.submit("files", Json::object());
    const std::string error = place.client.failed(id);
    EXPECT_NE(error.find("1 of 1 file of the result could not be delivered: \"a.txt\": "), std::string::npos)
        << error;
    EXPECT_NE(error.find("results"), std::string::npos) << error;
    EXPECT_NE(error.find("kept in " + place.spool().string()), std::string::npos) << error;
    const Json kept = Json::parse(place.worker->cli({"files", "--json"}).out).at("kept");
    ASSERT_EQ(kept.size(), 1u);
    EXPECT_EQ(kept.at(0).at("job_id"), id);
    EXPECT_EQ(text_of(kept.at(0).at("paths").at(0).get<std::string>()), "hello");
    EXPECT_NE(place.worker->cli({"files"}).out.find(id), std::string::npos);
    EXPECT_EQ(place.worker->cli({"files", "nobody"}).exit_code, 64);

    const std::string target = (place.dir.path() / "export").string();
    EXPECT_EQ(place.worker->cli({"files", id, "--export", target}).exit_code, 0);
    EXPECT_EQ(text_of(fs::path(target) / "a.txt"), "hello");
    EXPECT_NE(place.worker->cli({"files", id, "--export", target}).exit_code, 0) << "nothing is replaced";

    fs::remove(place.store());
    fs::create_directories(place.store());
    EXPECT_EQ(place.worker->cli({"files", id, "--retry"}).exit_code, 0);
    EXPECT_TRUE(wait_until([&] { return text_of(place.store() / id / "a.txt") == "hello"; }));
    EXPECT_TRUE(wait_until([&] { return fs::is_empty(place.spool()); })) << place.worker->log();
    place.worker->stop_and_wait();
}

}  // namespace
}  // namespace emprops::test
