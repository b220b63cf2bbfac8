#pragma once
// A Life with a clock of its own; what it says to people is set apart from what it does.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <optional>
#include <string>
#include <utility>

#include "supervisor/process/life/life.h"

namespace emprops::process {

using namespace std::chrono_literals;
using namespace action;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct LifeFixture : testing::Test {
    Actions done(Actions actions) {
        Actions rest;
        for (Action& each : actions) {
            if (const auto* note = std::get_if<Note>(&each))
                said += note->text + "\n";
            else
                rest.push_back(std::move(each));
        }
        return rest;
    }
    Life& life() {
        if (!life_) life_.emplace(options, [] { return 0.5; });
        return *life_;
    }
    Actions end(std::uint64_t generation, DeathReport report) {
        Actions actions = done(life().exit_seen(generation, now));
        for (Action& each : done(life().exited(generation, report, now)))
            actions.push_back(std::move(each));
        last_report = report;
        return actions;
    }
    /// It exits with this code.
    Actions die(std::uint64_t generation, int code = 1) {
        DeathReport report;
        report.exit_code = code;
        report.pid = 42;
        return end(generation, report);
    }
    Actions tick(Observations seen = {}) { return done(life().tick(seen, now)); }
    Actions tick_after(Ms time, Observations seen = {}) {
        now += time;
        return tick(std::move(seen));
    }
    std::string why() { return life().why(now); }

    LifeOptions options;
    TimePoint now{};
    std::string said;
    DeathReport last_report;
    std::optional<Life> life_;
};

/// A connector: it says ready and answers pings.
struct ConnectorLife : LifeFixture {
    ConnectorLife() {
        options.name = "c";
        options.policy.backoff_jitter = 0;
        const config::TalkSettings talk;
        options.readiness = SaysReady{talk.ping_interval, talk.ping_missed};
    }
    void start_and_spawn(std::uint64_t generation) {
        EXPECT_THAT(done(life().start(now)), ElementsAre(Spawn{}));
        EXPECT_THAT(done(life().spawned(generation, now)), IsEmpty());
    }
    Actions ready(std::uint64_t generation, bool ping = true) {
        ipc::Features features;
        features.ping = ping;
        return done(life().ready(generation, 1, features, now));
    }
    void start_ready(std::uint64_t generation) {
        start_and_spawn(generation);
        EXPECT_THAT(ready(generation), ElementsAre(Announce{generation}));
    }
};

/// A companion service with a port and a page.
struct ServiceLife : LifeFixture {
    ServiceLife() {
        options.name = "the service of c";
        options.policy = config::service_supervision();
        options.policy.backoff_jitter = 0;
        options.readiness = AnswersPage{5s, 12};
        options.port_retry = 5s;
        options.drain_timeout = 60s;
    }
    void start(std::uint64_t generation) {
        EXPECT_THAT(done(life().start(now)), ElementsAre(CheckPort{}));
        spawn(generation);
    }
    void spawn(std::uint64_t generation) {
        EXPECT_THAT(done(life().port_free(now)), ElementsAre(Spawn{}));
        EXPECT_THAT(done(life().spawned(generation, now)), IsEmpty());
        EXPECT_EQ(life().state(), State::starting);
    }
    void start_healthy(std::uint64_t generation) {
        start(generation);
        EXPECT_THAT(answer(generation), IsEmpty());
        EXPECT_EQ(life().state(), State::ready);
    }
    Actions answer(std::uint64_t generation, std::optional<std::uint64_t> vram = {}) {
        return done(life().answered(generation, {true, "", vram}, now));
    }
    Actions miss(std::uint64_t generation, const std::string& text = "no answer") {
        return done(life().answered(generation, {false, text, {}}, now));
    }
    Actions jobs(int running) { return done(life().jobs_running(running, now)); }
    Actions give_job() {
        life().job_given(life().current()->generation());
        return jobs(1);
    }
};

}  // namespace emprops::process
