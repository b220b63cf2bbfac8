// One name with several addresses on loopback, of which some are silent, refuse or answer.

#include "supervisor/hub/address_race.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <optional>
#include <string>

#include "tests/support/free_ports.h"
#include "tests/support/silent_address.h"

namespace emprops::hub {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using testing::HasSubstr;

tcp::endpoint at(const std::string& address, std::uint16_t port) {
    return {asio::ip::make_address(address), port};
}

struct AddressRaceTest : testing::Test {
    struct End {
        std::optional<tcp::endpoint> winner;
        std::string failure;
        std::chrono::milliseconds after{0};
    };
    End run(const std::vector<tcp::endpoint>& addresses, Ms limit = Ms(20'000)) {
        asio::io_context io;
        std::optional<End> end;
        const auto began = std::chrono::steady_clock::now();
        const auto race = std::make_shared<AddressRace>(io.get_executor(), addresses, limit);
        race->start([&](tcp::socket socket, const std::string& failure) {
            end.emplace();
            if (failure.empty()) end->winner = socket.remote_endpoint();
            end->failure = failure;
            end->after = std::chrono::duration_cast<Ms>(std::chrono::steady_clock::now() - began);
        });
        EXPECT_FALSE(end) << "not from inside start()";
        io.run();  // ends: nothing of it is left over
        if (!end) throw std::runtime_error("it never ended");
        return *end;
    }

    asio::io_context unused;
    tcp::acceptor live{unused, at("127.0.0.1", 0)};
    tcp::endpoint alive = live.local_endpoint();
    test::SilentAddress silent{"127.0.0.2"};
    tcp::endpoint dead = at("127.0.0.2", silent.port());
    tcp::endpoint refusing = at("127.0.0.3", test::free_ports(1));
};

TEST_F(AddressRaceTest, ASilentAddressCostsAQuarterOfASecond) {
    const End end = run({dead, alive});
    EXPECT_EQ(end.winner, alive) << end.failure;
    EXPECT_GE(end.after, AddressRace::head_start);
    EXPECT_LT(end.after, Ms(5'000));
}

TEST_F(AddressRaceTest, SoDoSeveral) {
    const End end = run({dead, dead, dead, alive});
    EXPECT_EQ(end.winner, alive) << end.failure;
    EXPECT_GE(end.after, 3 * AddressRace::head_start);
}

TEST_F(AddressRaceTest, OneThatRefusesCostsNothing) {
    const End end = run({refusing, alive});
    EXPECT_EQ(end.winner, alive) << end.failure;
    EXPECT_LT(end.after, AddressRace::head_start);
}

TEST_F(AddressRaceTest, TheFirstThatAnswersWins) {
    const End end = run({alive, dead, refusing});
    EXPECT_EQ(end.winner, alive) << end.failure;
    EXPECT_LT(end.after, AddressRace::head_start);
}

TEST_F(AddressRaceTest, EachAddressIsNamedWhenNoneAnswers) {
    const End end = run({dead, refusing}, Ms(600));
    EXPECT_FALSE(end.winner);
    EXPECT_THAT(end.failure,
                HasSubstr("127.0.0.2:" + std::to_string(dead.port()) + ": no answer; 127.0.0.3:"));
    EXPECT_THAT(end.failure, HasSubstr("Connection refused"));
    EXPECT_LT(run({refusing}).after, Ms(5'000)) << "and nobody is waited for when all have refused";
}

TEST_F(AddressRaceTest, WhoIsStoppedSaysNothing) {
    asio::io_context io;
    const auto race = std::make_shared<AddressRace>(io.get_executor(), std::vector{dead, alive}, Ms(20'000));
    race->start([](const tcp::socket&, const std::string&) { FAIL(); });
    io.poll();
    race->stop();
    io.run();
}

}  // namespace
}  // namespace emprops::hub
