// The files of a running hub's database are removed or replaced (a cleaner of old files, a person): they are made again
// with every job that the hub has, and that is told. What the hub has accepted, its end does not lose.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/local_hub/batch.h"
#include "supervisor/local_hub/store.h"
#include "tests/support/job_client.h"
#include "tests/support/temp_dir.h"

namespace emprops::test {
namespace {

namespace fs = std::filesystem;
using local_hub::Store;
using testing::AllOf;
using testing::HasSubstr;

void add(Store& store, const std::string& id) {
    local_hub::Job job;
    job.id = id;
    job.type = "sim";
    ASSERT_TRUE(store.insert(job, "{\"id\":\"" + id + "\"}").ok());
}

struct LocalHubFile : testing::Test {
    LocalHubFile() { fs::create_directory(file.parent_path()); }

    /// What a hub would find that starts after this one was killed now.
    std::vector<std::string> found_after_a_kill() {
        const fs::path copy = folder / ("copy-" + std::to_string(++copies));
        fs::create_directory(copy);
        for (const char* suffix : {"", "-wal"})
            fs::copy_file(file.string() + suffix, copy / ("hub.sqlite" + std::string(suffix)));
        std::vector<std::string> ids;
        auto opened = Store::open(copy / "hub.sqlite").value();
        const std::vector<local_hub::Job> jobs = opened->unfinished().value();
        for (const local_hub::Job& job : jobs) {
            ids.push_back(job.id);
            EXPECT_EQ(opened->payload(job.id).value(), "{\"id\":\"" + job.id + "\"}");
        }
        return ids;
    }
    std::string look() {
        const auto looked = store->look_after_file();
        return looked.ok() ? *looked : "error: " + looked.error().message;
    }

    TempDir folder;
    const fs::path file = folder / "state/hub.sqlite";
    std::unique_ptr<Store> store;
    int copies = 0;
};

TEST_F(LocalHubFile, WhatACleanerRemovesIsMadeAgainWithAllJobs) {
    using Files = std::vector<fs::path>;
    const fs::path log = file.string() + "-wal";
    for (const Files& removed :
         {Files{file}, Files{log}, Files{file, log}, Files{log, file, file.parent_path()}}) {
        for (const char* suffix : {"", "-wal"})
            fs::remove(file.string() + suffix);
        store = Store::open(file).value();
        add(*store, "before");
        EXPECT_EQ(look(), "");
        for (const fs::path& each : removed)
            fs::remove(each);
        add(*store, "unseen");  // accepted, and nobody would find it
        EXPECT_THAT(look(), AllOf(HasSubstr(file.string()), HasSubstr(" was removed (by a cleaner"),
                                  HasSubstr("is made again with all jobs"), HasSubstr("local_hub.database")));
        EXPECT_EQ(look(), "") << "told once";
        add(*store, "after");
        EXPECT_THAT(found_after_a_kill(), testing::ElementsAre("before", "unseen", "after"));
        struct stat made {};
        ASSERT_EQ(::stat(file.c_str(), &made), 0);
        EXPECT_EQ(made.st_mode & 0777u, 0600u);
        EXPECT_EQ(Store::open(file).error().code, "database_failed") << "it is locked as ever";
        store.reset();
        EXPECT_EQ(Store::open(file).value()->unfinished().value().size(), 3u);
    }
}

TEST_F(LocalHubFile, AnotherDatabaseInItsPlaceIsSetAsideAndNotDeleted) {
    const fs::path other = folder / "other.sqlite";
    add(*Store::open(other).value(), "theirs");
    store = Store::open(file).value();
    add(*store, "ours");
    for (const int number : {1, 2}) {
        fs::copy_file(other, folder / "put.sqlite", fs::copy_options::overwrite_existing);
        fs::rename(folder / "put.sqlite", file);
        const std::string aside = file.string() + ".found-" + std::to_string(number);
        EXPECT_THAT(look(), AllOf(HasSubstr("was replaced by another file"), HasSubstr("is now " + aside)));
        EXPECT_EQ(look(), "");
        EXPECT_EQ(Store::open(aside).value()->unfinished().value().at(0).id, "theirs");
        EXPECT_THAT(found_after_a_kill(), testing::ElementsAre("ours"));
    }
}

TEST_F(LocalHubFile, WhereItCannotBeMadeTheHubGoesOnAndSaysWhy) {
    store = Store::open(file).value();
    add(*store, "early");
    fs::remove_all(file.parent_path());
    folder.write_file("state", "not a folder");
    EXPECT_THAT(look(),
                AllOf(HasSubstr("error: "), HasSubstr("was removed"), HasSubstr("cannot be made again")));
    add(*store, "late");
    fs::remove(folder / "state");
    EXPECT_THAT(look(), HasSubstr("is made again"));
    EXPECT_THAT(found_after_a_kill(), testing::ElementsAre("early", "late"));
}

TEST_F(LocalHubFile, AHubThatHasMadeItAnewMeanwhileIsNamedAndLeftAlone) {
    store = Store::open(file).value();
    add(*store, "ours");
    fs::remove(file);
    TestHub other({"local_hub.database=" + file.string()});
    const std::string told = look();
    EXPECT_THAT(
        told, AllOf(HasSubstr("error: "), HasSubstr("another hub (pid "), HasSubstr("stop one of the two")));
    JobClient client(other);
    client.submit("sim", Json::object(), "theirs");
    EXPECT_EQ(look(), told);
    other.kill();
    EXPECT_THAT(look(), HasSubstr("is now " + file.string() + ".found-1"));
    EXPECT_THAT(found_after_a_kill(), testing::ElementsAre("ours"));
    EXPECT_EQ(Store::open(file.string() + ".found-1").value()->unfinished().value().at(0).id, "theirs");
}

TEST_F(LocalHubFile, AKillFindsABatchWhollyOrNotAtAll) {
    store = Store::open(file).value();
    add(*store, "before");
    store->begin();
    add(*store, "first");
    store->begin();  // another event of the same round
    add(*store, "second");
    EXPECT_THAT(found_after_a_kill(), testing::ElementsAre("before"));
    ASSERT_TRUE(store->commit().ok());
    EXPECT_THAT(found_after_a_kill(), testing::ElementsAre("before", "first", "second"));
    add(*store, "alone");
    EXPECT_THAT(found_after_a_kill(), testing::ElementsAre("before", "first", "second", "alone"));
}

/// As a full disk, for this process (a real one needs privileges).
struct NoRoom {
    NoRoom() {
        std::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &before);
        const rlimit none{0, before.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &none);
    }
    ~NoRoom() { ::setrlimit(RLIMIT_FSIZE, &before); }
    rlimit before{};
};

TEST_F(LocalHubFile, WhatCannotBeStoredIsSaidToNobodyAndTheNextBatchIsAsGoodAsEver) {
    store = Store::open(file).value();
    add(*store, "before");
    std::vector<std::string> heard;
    local_hub::Batch batch(*store, [&](const Error& why) { heard.push_back(why.message); });
    const auto promise = [&](const std::string& id) {
        batch.begin();
        add(*store, id);
        batch.then([&heard, id](const Error* lost) { heard.push_back(lost ? "not " + id : id); });
    };
    promise("first");
    promise("second");
    {
        const NoRoom full;
        batch.end();
    }
    EXPECT_THAT(heard,
                testing::ElementsAre(HasSubstr("cannot store what has just happened in the hub's database"),
                                     "not first", "not second"));
    EXPECT_EQ(store->unfinished().value().size(), 1u);
    promise("third");
    batch.end();
    EXPECT_EQ(heard.back(), "third");
    EXPECT_THAT(found_after_a_kill(), testing::ElementsAre("before", "third"));
}

TEST_F(LocalHubFile, AHubOnAFullDiskPromisesNothingAndGoesOnWhenThereIsRoom) {
    TestHub hub;
    const auto limit = [&](rlim_t bytes) {
        rlimit now{};
        ASSERT_EQ(::prlimit(hub.pid(), RLIMIT_FSIZE, nullptr, &now), 0);
        now.rlim_cur = std::min(bytes, now.rlim_max);
        ASSERT_EQ(::prlimit(hub.pid(), RLIMIT_FSIZE, &now, nullptr), 0);
    };
    {
        JobClient client(hub);
        client.submit("sim", Json::object(), "before");
        limit(0);
        client.hub.send(
            {{"type", "submit_job"}, {"message_id", "lost"}, {"job_type", "sim"}, {"payload", {}}});
        EXPECT_EQ(client.hub.wait_closed().code, 1012) << "its answer would have been a promise";
    }
    {
        JobClient client(hub, {}, "client-2");
        client.hub.send(
            {{"type", "submit_job"}, {"message_id", "refused"}, {"job_type", "sim"}, {"payload", {}}});
        EXPECT_THAT(client.hub.receive("error").dump(), HasSubstr("database")) << "now each event is alone";
        limit(RLIM_INFINITY);
        client.submit("sim", Json::object(), "after");
    }
    hub.kill();
    hub.start();
    EXPECT_EQ(wait_job_status(hub, "before", "pending", Ms(5'000)), "pending");
    EXPECT_EQ(wait_job_status(hub, "after", "pending", Ms(5'000)), "pending");
}

TEST_F(LocalHubFile, AKilledHubHasItsJobsAlthoughItsDatabaseWasRemovedUnderIt) {
    const std::string setting = "local_hub.database=" + file.string();
    TestHub hub({setting});
    {
        JobClient client(hub);
        client.submit("sim", Json::object(), "accepted");
        for (const char* suffix : {"", "-wal"})
            fs::remove(file.string() + suffix);
        client.submit("sim", Json::object(), "later");
        ASSERT_TRUE(wait_until([&] { return fs::exists(file) && fs::exists(file.string() + "-wal"); }));
    }
    hub.kill();
    hub.start();
    for (const char* job : {"accepted", "later"})
        EXPECT_EQ(wait_job_status(hub, job, "pending", Ms(5'000)), "pending") << job;
}

}  // namespace
}  // namespace emprops::test
