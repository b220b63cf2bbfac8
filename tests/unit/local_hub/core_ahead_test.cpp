// Jobs that a worker prepares while it is busy: who is offered them, how they move to a worker that is idle, and that
// they go back for nothing.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/local_hub/bench.h"

namespace emprops::local_hub {
namespace {

class CoreAhead : public CoreBench {
  protected:
    void busy(ConnectionId connection, const Json& ahead = {"sim"}) {
        say(connection, {{"type", "worker_status"}, {"status", "busy"}, {"ahead_job_types", ahead}});
    }
    /// What a worker says of a job that it has not begun.
    void waits(ConnectionId connection, const std::string& job_id) {
        say(connection,
            {{"type", "update_job_progress"}, {"job_id", job_id}, {"progress", -1}, {"begun", false}});
    }
    void run_and_prepare(ConnectionId connection, const std::string& running, const std::string& next) {
        ASSERT_EQ(offered(connection), running);
        claim(connection, running);
        busy(connection);
        ASSERT_EQ(offered(connection), next);
        claim(connection, next);
        EXPECT_EQ(last(connection)["type"], "job_assigned");
        waits(connection, next);
        busy(connection, Json::array());
        said(connection);
    }
    void give_back(ConnectionId connection, const std::string& job_id) {
        fail(connection, job_id, "[not_started] it waited here", {{"begun", false}});
    }
    /// The jobs that it was asked to give back since it was last asked.
    std::vector<std::string> asked_back(ConnectionId connection) {
        std::vector<std::string> jobs;
        for (const auto& message : said(connection))
            if (message.value("type", "") == "return_job") jobs.push_back(message["job_id"]);
        return jobs;
    }
};

TEST_F(CoreAhead, TheWorkerIsToldThatItsJobsMayComeBack) {
    connect(w1, Role::worker, "w1");
    EXPECT_EQ(last(w1)["takes_jobs_back"], true);
    connect(w2, Role::client, "c");
    EXPECT_FALSE(last(w2).contains("takes_jobs_back"));
}

TEST_F(CoreAhead, ABusyWorkerIsOfferedOneJobMoreIfItSaysSo) {
    worker(w1, "w1");
    submit("a");
    submit("b");
    submit("c");
    EXPECT_EQ(offered(w1), "a");
    claim(w1, "a");
    status(w1, "busy");
    EXPECT_EQ(offered(w1), "") << "an older worker says nothing of it";
    busy(w1, {"other"});
    EXPECT_EQ(offered(w1), "");
    busy(w1);
    EXPECT_EQ(offered(w1), "b");
    busy(w1);
    EXPECT_EQ(offered(w1), "") << "the offer stands";
    claim(w1, "b");
    EXPECT_EQ(last(w1)["type"], "job_assigned");
    EXPECT_EQ(offered(w1), "") << "each claim empties the list";
    claim(w1, "c");
    EXPECT_EQ(last(w1)["type"], "error") << "it is busy, and does not take another one";
    waits(w1, "b");
    complete(w1, "a");
    EXPECT_EQ(offered(w1), "") << "it has not said that it is idle";
    progress(w1, "b");
    busy(w1);
    EXPECT_EQ(offered(w1), "c");
}

TEST_F(CoreAhead, WorkersWithoutWorkComeFirst) {
    worker(w1, "w1");
    submit("a");
    claim(w1, "a");
    busy(w1);
    worker(w2, "w2");
    said(w1);
    submit("b");
    submit("c");
    EXPECT_EQ(offered(w1), "") << "the idle one may take more of this type";
    EXPECT_EQ(offered(w2), "b");
    claim(w2, "b");
    said(w2);
    EXPECT_EQ(offered(w1), "") << "it has not said yet whether it is full";
    status(w2, "busy");
    EXPECT_EQ(offered(w1), "c");
}

TEST_F(CoreAhead, AWaitingJobMovesToAWorkerThatIsIdle) {
    worker(w1, "w1");
    submit("a");
    submit("b");
    run_and_prepare(w1, "a", "b");
    EXPECT_TRUE(asked_back(w1).empty());
    worker(w2, "w2");
    EXPECT_EQ(asked_back(w1), std::vector<std::string>{"b"});
    pass(Ms(2'000));
    EXPECT_TRUE(asked_back(w1).empty()) << "once for a while";
    give_back(w1, "b");
    EXPECT_EQ(offered(w2), "b");
    claim(w2, "b");
    EXPECT_EQ(job("b").attempts, 0u);
    EXPECT_EQ(job("b").worker_id, "w2");
    waits(w1, "b");  // crosses: it is not its holder any more
    EXPECT_TRUE(asked_back(w2).empty());
}

TEST_F(CoreAhead, AJobThatHasBegunStays) {
    worker(w1, "w1");
    submit("a");
    submit("b");
    run_and_prepare(w1, "a", "b");
    worker(w2, "w2");
    EXPECT_EQ(asked_back(w1), std::vector<std::string>{"b"});
    complete(w1, "a");
    progress(w1, "b");
    pass(Ms(10'000));
    progress(w1, "b");
    EXPECT_TRUE(asked_back(w1).empty());
    EXPECT_EQ(offered(w2), "");
}

TEST_F(CoreAhead, OneThatDoesNotAnswerIsAskedAgainAndAnotherTypeIsLeftAlone) {
    worker(w1, "w1");
    submit("a");
    submit("b");
    run_and_prepare(w1, "a", "b");
    worker(w2, "w2", {"other"});
    EXPECT_TRUE(asked_back(w1).empty());
    worker(w3, "w3");
    EXPECT_EQ(asked_back(w1), std::vector<std::string>{"b"});
    pass(Ms(3'400));
    EXPECT_EQ(asked_back(w1), std::vector<std::string>{"b"});
}

TEST_F(CoreAhead, AWorkerThatIsLostCostsAWaitingJobNothing) {
    worker(w1, "w1");
    submit("a");
    submit("b");
    run_and_prepare(w1, "a", "b");
    disconnect(w1);
    pass(Ms(16'000));
    EXPECT_EQ(state("a"), JobStatus::pending);
    EXPECT_EQ(job("a").attempts, 1u);
    EXPECT_EQ(state("b"), JobStatus::pending);
    EXPECT_EQ(job("b").attempts, 0u);
}

TEST_F(CoreAhead, AfterARestartOfTheHubAWaitingJobIsKnownByItsNextWord) {
    worker(w1, "w1");
    submit("a");
    submit("b");
    run_and_prepare(w1, "a", "b");
    restart();
    worker(w2, "w1-again", {"sim"}, "busy");
    waits(w2, "b");
    progress(w2, "a");
    worker(w3, "w3");
    EXPECT_EQ(asked_back(w2), std::vector<std::string>{"b"});
}

// ---- two workers, one of them slow

/// A worker with one slot that prepares one job, as the supervisor's link speaks for it.
struct Machine {
    ConnectionId connection;
    int slowness;
    std::optional<std::string> running;
    Ms ends{0};
    std::optional<std::string> waiting;
};

/// A round of 200 jobs of mixed length; the second machine takes `slowness` times as long.
struct Round {
    std::size_t done = 0;
    std::size_t moved = 0;
    Ms longest{0};  ///< that one was idle while a job waited behind the other
    std::map<ConnectionId, Ms> idle_at_the_end;
};

class CoreAheadRound : public CoreAhead {
  protected:
    Round run(int slowness, int seed);
};

Round CoreAheadRound::run(int slowness, int seed) {
    Round round;
    const std::string prefix = "r" + std::to_string(slowness) + "-" + std::to_string(seed) + "-";
    std::map<std::string, Ms> length;
    for (int i = 0; i < 200; ++i) {
        const std::string id = prefix + std::to_string(i);
        length[id] = Ms(200 + ((i + seed) * 7919) % 2'800);
        submit(id);
    }
    std::vector<Machine> machines{{w1, 1, {}, {}, {}}, {w2, slowness, {}, {}, {}}};
    for (const Machine& machine : machines)
        worker(machine.connection, "w" + std::to_string(machine.connection));
    std::map<ConnectionId, Ms> last_work;
    Ms clock{0}, idle_beside_a_waiting_one{0};
    const auto tell = [&](Machine& machine) {
        say(machine.connection,
            {{"type", "worker_status"},
             {"status", machine.running ? "busy" : "idle"},
             {"ahead_job_types", machine.running && !machine.waiting ? Json{"sim"} : Json::array()}});
    };
    const auto begin = [&](Machine& machine, const std::string& id) {
        machine.running = id;
        machine.ends = clock + length[id] * machine.slowness;
        progress(machine.connection, id, 0);
    };
    const auto listen = [&](Machine& machine) {
        for (const auto& message : said(machine.connection)) {
            const std::string type = message["type"], id = message.value("job_id", "");
            if (type == "job_available" && (!machine.running || !machine.waiting))
                claim(machine.connection, id);
            if (type == "job_assigned" && !machine.running) {
                begin(machine, id);
                tell(machine);
            } else if (type == "job_assigned") {
                machine.waiting = id;
                waits(machine.connection, id);
                tell(machine);
            }
            if (type == "return_job" && machine.waiting == id) {
                machine.waiting.reset();
                ++round.moved;
                give_back(machine.connection, id);
            }
        }
    };
    while (round.done < 200 && clock < Ms(std::chrono::hours(2))) {
        for (int talk = 0; talk < 4; ++talk)
            for (Machine& machine : machines)
                listen(machine);
        const bool one_idle = !machines[0].running || !machines[1].running;
        const bool one_waits = machines[0].waiting || machines[1].waiting;
        idle_beside_a_waiting_one = one_idle && one_waits ? idle_beside_a_waiting_one + Ms(200) : Ms(0);
        round.longest = std::max(round.longest, idle_beside_a_waiting_one);
        for (Machine& machine : machines)
            if (machine.running) last_work[machine.connection] = clock;
        clock += Ms(200);
        pass(Ms(200));
        for (Machine& machine : machines) {
            if (machine.running && clock.count() % 5000 == 0) {
                progress(machine.connection, *machine.running, -1);
                if (machine.waiting) waits(machine.connection, *machine.waiting);
            }
            if (!machine.running || clock < machine.ends) continue;
            complete(machine.connection, *machine.running);
            ++round.done;
            machine.running.reset();
            if (machine.waiting) begin(machine, *std::exchange(machine.waiting, std::nullopt));
            tell(machine);
        }
    }
    for (const auto& [connection, at] : last_work)
        round.idle_at_the_end[connection] = clock - at;
    for (const Machine& machine : machines)
        disconnect(machine.connection, true);
    return round;
}

TEST_F(CoreAheadRound, NoJobWaitsBehindABusyWorkerWhileTheOtherIsIdle) {
    std::size_t moved = 0;
    for (const int slowness : {1, 2, 3}) {
        for (int seed = 0; seed < 5; ++seed) {
            const Round round = run(slowness, seed);
            EXPECT_EQ(round.done, 200u);
            EXPECT_LE(round.longest, Ms(200)) << "one step is what a move takes";
            for (const auto& [connection, idle] : round.idle_at_the_end)
                EXPECT_LE(idle, Ms(10'000)) << "worker " << connection << ", slowness " << slowness;
            moved += round.moved;
        }
    }
    EXPECT_GT(moved, 0u);
}

}  // namespace
}  // namespace emprops::local_hub
