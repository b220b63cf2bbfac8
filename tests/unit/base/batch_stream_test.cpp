// A BatchStream over a socket pair: what is written leaves when it is taken, what is read comes in its order, however much
// is asked for.

#include "supervisor/base/batch_stream.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <string>
#include <vector>

namespace emprops {
namespace {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;

struct BatchStreamTest : testing::Test {
    BatchStreamTest() { asio::local::connect_pair(stream.next_layer(), peer); }

    /// Asks for so much, one size after the other, until the end.
    void read(std::vector<std::size_t> sizes, std::size_t next = 0) {
        into.resize(sizes[next % sizes.size()]);
        stream.async_read_some(asio::buffer(into),
                               [this, sizes, next](BatchStream<Socket>::error_code error, std::size_t size) {
                                   if (size > 0) parts.push_back(into.substr(0, size));
                                   if (error) {
                                       end = error;
                                   } else {
                                       read(sizes, next + 1);
                                   }
                               });
    }
    std::string all() const {
        std::string text;
        for (const auto& part : parts)
            text += part;
        return text;
    }

    asio::io_context loop;
    BatchStream<Socket> stream{loop.get_executor()};
    Socket peer{loop};
    std::string into;
    std::vector<std::string> parts;
    BatchStream<Socket>::error_code end;
};

TEST_F(BatchStreamTest, SmallReadsAreAnsweredFromWhatIsThere) {
    asio::write(peer, asio::buffer(std::string("one two three")));
    read({4});
    loop.poll();
    EXPECT_EQ(parts, (std::vector<std::string>{"one ", "two ", "thre", "e"}));
    peer.close();
    loop.run();
    EXPECT_EQ(end, asio::error::eof);
}

TEST_F(BatchStreamTest, WhateverIsAskedForComesInItsOrder) {
    std::string sent;
    for (int i = 0; i < 30'000; ++i)
        sent += std::to_string(i) + ' ';
    asio::async_write(peer, asio::buffer(sent), [this](const auto&, std::size_t) { peer.close(); });
    read({3, 100'000, 1, 20'000, 5'000});
    loop.run();
    EXPECT_EQ(all(), sent);
    EXPECT_EQ(end, asio::error::eof);
}

TEST_F(BatchStreamTest, WhatIsWrittenWaitsUntilItIsTakenAndItsWritersUntilItIsGone) {
    std::string order, taken;
    stream.on_written([&] { order += "told "; });
    BatchStream<Socket>::error_code error;
    stream.write_some(asio::buffer("ab", 2), error);
    stream.async_write_some(asio::buffer("cd", 2), [&](const auto&, std::size_t) { order += "gone "; });
    EXPECT_EQ(stream.waiting_bytes(), 4u);
    stream.take(taken);
    EXPECT_EQ(taken, "abcd");
    stream.gone(3);
    loop.poll();
    EXPECT_EQ(order, "told ");
    stream.gone(1);
    loop.restart();
    loop.poll();
    EXPECT_EQ(order, "told gone ");
}

}  // namespace
}  // namespace emprops
