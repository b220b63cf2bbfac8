#include "supervisor/base/turn.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

namespace emprops {
namespace {

TEST(Turn, IsDoneOnceAndNeverInsideTheCallThatAsks) {
    boost::asio::io_context loop;
    int done = 0;
    Turn turn(loop.get_executor(), [&] { ++done; });
    turn.request();
    turn.request();
    EXPECT_EQ(done, 0);
    loop.run();
    EXPECT_EQ(done, 1);
    loop.restart();
    turn.request();
    loop.run();
    EXPECT_EQ(done, 2);
}

TEST(Turn, WorkThatAsksAgainGetsAnotherTurnAndLeavesTheLoopToOthers) {
    boost::asio::io_context loop;
    std::string order;
    std::unique_ptr<Turn> first;
    Turn second(loop.get_executor(), [&] { order += "b"; });
    first = std::make_unique<Turn>(loop.get_executor(), [&] {
        order += "a";
        second.request();
        if (order.size() < 3) first->request();
    });
    first->request();
    loop.run();
    EXPECT_EQ(order, "abab");
}

TEST(Turn, EndsWithItsOwnerAlsoInTheMiddleOfItsWork) {
    boost::asio::io_context loop;
    int done = 0;
    auto turn = std::make_unique<Turn>(loop.get_executor(), [&] { ++done; });
    turn->request();
    turn.reset();
    loop.run();
    EXPECT_EQ(done, 0);

    const auto kept = std::make_shared<std::string>("still here");
    turn = std::make_unique<Turn>(loop.get_executor(), [&, kept] {
        turn.reset();
        EXPECT_EQ(*kept, "still here");
        ++done;
    });
    turn->request();
    loop.restart();
    loop.run();
    EXPECT_EQ(done, 1);
}

}  // namespace
}  // namespace emprops
