#include "supervisor/base/loop.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <stdexcept>
#include <string>

#include "supervisor/base/alarm.h"

namespace emprops {
namespace {

namespace asio = boost::asio;

TEST(Loop, StepsFollowTheHandlerThatAsksForThemInTheirOrder) {
    asio::io_context loop;
    std::string order;
    asio::post(loop, [&] {
        later(loop.get_executor(), [&] {
            order += 'b';
            later(loop.get_executor(), [&] { order += 'd'; });
            order += '.';
        });
        later(loop.get_executor(), [&] { order += 'c'; });
        order += 'a';
    });
    asio::post(loop, [&] { order += 'z'; });
    run_loop(loop);
    EXPECT_EQ(order, "ab.cdz");
}

TEST(Loop, StepsThatNeverEndLeaveOthersTheirTurn) {
    asio::io_context loop;
    bool reached = false;
    int steps = 0;
    std::function<void()> step = [&] {
        ++steps;
        if (!reached) later(loop.get_executor(), step);
    };
    later(loop.get_executor(), step);
    asio::post(loop, [&] { reached = true; });
    run_loop(loop);
    EXPECT_TRUE(reached);
    EXPECT_LT(steps, 1000);
}

TEST(Loop, StepsAreWorkThatTheLoopWaitsFor) {
    asio::io_context loop;
    int steps = 0;
    std::function<void()> step = [&] {
        if (++steps < 200) later(loop.get_executor(), step);
    };
    asio::post(loop, step);
    run_loop(loop);
    EXPECT_EQ(steps, 200) << "nothing else was there to be done";
}

TEST(Loop, IsStoppedAtOnceAndWhatWasLeftComesWithTheNextRun) {
    asio::io_context loop;
    std::string order;
    asio::post(loop, [&] {
        later(loop.get_executor(), [&] {
            order += 'a';
            loop.stop();
        });
        later(loop.get_executor(), [&] { order += 'b'; });
    });
    run_loop(loop);
    loop.restart();
    order += '|';
    loop.run();
    EXPECT_EQ(order, "a|b");
}

TEST(Loop, ALoopThatThrewGoesOn) {
    asio::io_context loop;
    std::string order;
    asio::post(loop, [&] {
        later(loop.get_executor(), [] { throw std::runtime_error("a step"); });
        later(loop.get_executor(), [&] { order += 'b'; });
    });
    EXPECT_THROW(run_loop(loop), std::runtime_error);
    run_loop(loop);
    EXPECT_EQ(order, "b");
}

TEST(Loop, RestsWhenAllThatIsReadyHasBeenHandled) {
    asio::io_context loop;
    std::string order;
    const auto executor = loop.get_executor();
    asio::post(loop, [&] {
        at_rest(executor, [&] {
            order += 'r';
            later(executor, [&] { order += 's'; });
            at_rest(executor, [&] { order += 'R'; });
            asio::post(loop, [&] { order += 'd'; });
        });
        later(executor, [&] { order += 'a'; });
    });
    asio::post(loop, [&] { order += 'b'; });
    asio::post(loop, [&] { asio::post(loop, [&] { order += 'c'; }); });
    run_loop(loop);
    EXPECT_EQ(order, "abcrsdR");
}

TEST(Loop, ThatNeverRestsDoesWhatWaitsForItAllTheSame) {
    asio::io_context loop;
    bool reached = false;
    int handlers = 0;
    std::function<void()> busy = [&] {
        if (++handlers < 1'000'000 && !reached) asio::post(loop, busy);
    };
    at_rest(loop.get_executor(), [&] { reached = true; });  // not driven yet: a handler like any other
    asio::post(loop, [&] {
        reached = false;
        at_rest(loop.get_executor(), [&] { reached = true; });
        busy();
    });
    run_loop(loop);
    EXPECT_TRUE(reached);
    EXPECT_LT(handlers, 1'000'000);
}

TEST(Loop, WithStepsThatNeverEndDoesWhatWaitsForItsRestToo) {
    asio::io_context loop;
    bool reached = false;
    int steps = 0;
    std::function<void()> step = [&] {
        if (++steps < 10'000'000 && !reached) later(loop.get_executor(), step);
    };
    asio::post(loop, [&] {
        at_rest(loop.get_executor(), [&] { reached = true; });
        step();
    });
    run_loop(loop);
    EXPECT_TRUE(reached);
    EXPECT_LT(steps, 10'000'000);
}

TEST(Loop, WhatWaitsForRestIsWorkAndSurvivesAStop) {
    asio::io_context loop;
    std::string order;
    asio::post(loop, [&] {
        at_rest(loop.get_executor(), [&] { order += 'a'; });
        later(loop.get_executor(), [&] { loop.stop(); });
    });
    run_loop(loop);
    order += '|';
    loop.restart();
    run_loop(loop);
    EXPECT_EQ(order, "|a");
}

TEST(Loop, WorksUnderALoopThatIsRunInAnotherWay) {
    asio::io_context loop;
    std::string order;
    later(loop.get_executor(), [&] { order += 'b'; });
    order += 'a';
    loop.run();
    EXPECT_EQ(order, "ab");
}

TEST(Alarm, RingsOnceAtTheTimeThatWasSetLast) {
    asio::io_context loop;
    int rung = 0;
    Alarm alarm(loop.get_executor(), [&] { ++rung; });
    const TimePoint begin = Clock::now();
    alarm.set(begin + std::chrono::hours(1));
    alarm.set(begin + std::chrono::milliseconds(1));
    alarm.set(begin + std::chrono::milliseconds(30));
    loop.run();
    EXPECT_EQ(rung, 1);
    EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(30)) << "never too early";
}

TEST(Alarm, ThatIsSetToNothingLetsTheLoopEnd) {
    asio::io_context loop;
    int rung = 0;
    Alarm alarm(loop.get_executor(), [&] { ++rung; });
    alarm.set(Clock::now() + std::chrono::hours(1));
    alarm.set({});
    loop.run();
    EXPECT_EQ(rung, 0);
}

TEST(Alarm, MayBeSetAgainByWhatItCallsAndMayEndThere) {
    asio::io_context loop;
    int rung = 0;
    std::unique_ptr<Alarm> alarm;
    alarm = std::make_unique<Alarm>(loop.get_executor(), [&] {
        if (++rung < 3) return alarm->set(Clock::now());
        alarm.reset();
    });
    alarm->set(Clock::now());
    loop.run();
    EXPECT_EQ(rung, 3);
}

}  // namespace
}  // namespace emprops
