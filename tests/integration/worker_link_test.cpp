// The worker on a link that pulls jobs instead of being offered them (support/scripted_link.h): the real
// dispatcher, ledger and connector processes, and no socket.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "supervisor/worker/worker.h"
#include "tests/support/ledger_file.h"
#include "tests/support/process_fault_connector.h"
#include "tests/support/run_until.h"
#include "tests/support/scripted_link.h"
#include "tests/support/temp_dir.h"

namespace emprops::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

/// A queue, and a worker with one connector of four places that can be started again.
struct World {
    ~World() { end(); }

    void start(const std::string& mode) {
        WorkerOptions options;
        auto& settings = options.loaded.settings;
        settings.worker.id = "w";
        settings.worker.state_dir = dir / "state";
        settings.worker.durability = "process";
        config::ConnectorSettings connector;
        connector.name = "c";
        connector.command = fault_connector(mode);
        connector.supervision.stop = {Ms(500), Ms(500), Ms(500)};
        settings.connectors = {connector};
        settings.control.enabled = false;
        options.link = [this](std::uint64_t first_number, jobs::LinkCallbacks callbacks) {
            return std::make_unique<ScriptedLink>(loop.get_executor(), queue, first_number,
                                                  std::move(callbacks));
        };
        worker = std::make_unique<Worker>(loop, std::move(options), [](int) {});
        const auto started = worker->start();
        ASSERT_TRUE(started) << started.error().message;
    }
    /// As if it had been killed: nothing is said to anybody.
    void end() { worker.reset(); }

    template <class Condition>
    bool until(Condition condition) {
        return run_until(loop, condition);
    }
    bool logged(const std::string& line) const {
        return std::find(queue.log.begin(), queue.log.end(), line) != queue.log.end();
    }
    std::size_t records() const { return ledger_records(dir / "state").size(); }

    TempDir dir;
    boost::asio::io_context loop;
    ScriptedQueue queue;
    std::unique_ptr<Worker> worker;
};

TEST(WorkerLink, SeveralJobsArePulledAtOnceEachUnderTheIdOfItsPlace) {
    World world;
    world.queue.waiting = {"j1", "j2", "j3"};
    world.start("echo");
    ASSERT_TRUE(world.until([&] {
        return world.logged("complete j1 w-0@1") && world.logged("complete j2 w-1@2") &&
               world.logged("complete j3 w-2@3");
    })) << testing::PrintToString(world.queue.log);
    EXPECT_THAT(std::vector(world.queue.log.begin(), world.queue.log.begin() + 4),
                ElementsAre("pull 3", "take j1 w-0@1", "take j2 w-1@2", "take j3 w-2@3"));
    EXPECT_THAT(world.queue.held, IsEmpty());
    EXPECT_TRUE(world.until([&] { return world.records() == 0; }));
}

TEST(WorkerLink, AJobWithoutAPlaceGoesBackForNothing) {
    World world;
    world.queue.waiting = {"j1", "j2", "j3", "j4", "j5", "j6"};
    world.queue.batch = 5;
    world.start("hold");
    ASSERT_TRUE(world.until([&] { return world.queue.held.size() == 4 && world.queue.waiting.size() == 2; }))
        << testing::PrintToString(world.queue.log);
    EXPECT_TRUE(world.logged("give back j5 w-4@5"));
    EXPECT_THAT(world.queue.waiting, ElementsAre("j5", "j6"));
    ASSERT_TRUE(world.until([&] { return world.records() == 4; })) << "what was given back leaves no trace";
}

TEST(WorkerLink, ARestartedWorkerGetsTheTokensOfItsUnfinishedJobsBack) {
    World world;
    world.queue.waiting = {"j1", "j2"};
    world.start("hold");
    ASSERT_TRUE(world.until([&] { return world.queue.held.size() == 2 && world.records() == 2; }));
    world.end();
    world.queue.log.clear();
    world.start("hold");
    EXPECT_THAT(world.queue.log, ElementsAre("adopt j1 w-0@1", "adopt j2 w-1@2"));
    ASSERT_TRUE(world.until([&] {
        return world.logged("fail j1 lost w-0@1") && world.logged("fail j2 lost w-1@2");
    })) << testing::PrintToString(world.queue.log);
    EXPECT_TRUE(world.until([&] { return world.records() == 0; }));
}

TEST(WorkerLink, AnOutcomeThatWasNotTakenIsReportedWithItsTokenAfterARestart) {
    World world;
    world.queue.waiting = {"j1"};
    world.queue.deaf = true;
    world.start("echo");
    ASSERT_TRUE(world.until([&] { return world.logged("take j1 w-0@1"); }));
    ASSERT_TRUE(world.until([&] {
        const auto records = ledger_records(world.dir / "state");
        return records.size() == 1 && records[0].outcome;
    }));
    world.end();
    world.queue.deaf = false;
    world.start("hold");
    ASSERT_TRUE(world.until([&] { return world.logged("complete j1 w-0@1"); }))
        << testing::PrintToString(world.queue.log);
    EXPECT_THAT(world.queue.held, IsEmpty());
    EXPECT_TRUE(world.until([&] { return world.records() == 0; }));
}

TEST(WorkerLink, WhatSomebodyElseHasMeanwhileIsForgotten) {
    World world;
    world.queue.waiting = {"j1"};
    world.start("hold");
    ASSERT_TRUE(world.until([&] { return world.queue.held.size() == 1 && world.records() == 1; }));
    world.end();
    world.queue.held = {{"somebody@9", "j1"}};
    world.start("hold");
    EXPECT_TRUE(world.until([&] { return world.records() == 0; }));
    EXPECT_THAT(world.queue.log, Not(Contains(testing::StartsWith("fail"))));
}

}  // namespace
}  // namespace emprops::test
