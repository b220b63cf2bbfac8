#include "supervisor/base/log_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>

namespace emprops {
namespace {

struct Pipe {
    int ends[2] = {-1, -1};
    Pipe() { EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0); }
    ~Pipe() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    std::string read_now() const {
        std::string text(1 << 20, '\0');
        const auto size = ::read(ends[0], text.data(), text.size());
        text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
        return text;
    }
};

std::shared_ptr<const LogWriter::Targets> to(const Pipe& pipe) {
    return std::make_shared<LogWriter::Targets>(std::vector<int>{pipe.ends[1]}, std::vector<int>{});
}

TEST(LogWriter, WritesLinesInOrder) {
    Pipe pipe;
    LogWriter writer(to(pipe), {});
    writer.push("one\n");
    writer.push("two\n");
    writer.flush(5000);
    EXPECT_EQ(pipe.read_now(), "one\ntwo\n");
}

TEST(LogWriter, AReaderThatStallsCostsOldLinesAndNeverBlocksTheCaller) {
    Pipe pipe;
    LogWriter writer(to(pipe), {100, 1 << 20});
    const std::string line(1000, 'x');
    for (int i = 0; i < 5000; ++i)
        writer.push(line + "\n");  // 5 MB into a pipe of 64 KiB that nobody reads
    EXPECT_GT(writer.dropped(), 1000u);
}  // and the destructor does not hang

TEST(LogWriter, HoldsAFewMegabytesAtMost) {
    Pipe pipe;
    LogWriter writer(to(pipe), {});
    const std::string line(64 * 1024, 'x');
    for (int i = 0; i < 1000; ++i)
        writer.push(line + "\n");
    // 64 MB, of which the queue, one batch and the pipe hold 4 MiB and a little.
    EXPECT_GT(writer.dropped(), 930u);
}

TEST(LogWriter, OtherTargetsHoldForLaterLinesAndNobodyWaitsForAStuckReader) {
    Pipe stuck;
    Pipe other;
    LogWriter writer(to(stuck), {});
    const std::string line(1000, 'x');
    for (int i = 0; i < 200; ++i)
        writer.push(line + "\n");  // 200 KB into a pipe of 64 KiB
    const auto begin = std::chrono::steady_clock::now();
    writer.set_targets(to(other));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(500));
    writer.push("later\n");
    std::size_t early = 0;
    while (early < 200 * 1001) {
        const std::string part = stuck.read_now();
        ASSERT_FALSE(part.empty());
        ASSERT_EQ(part.find("later"), std::string::npos);
        early += part.size();
    }
    writer.flush(5000);
    EXPECT_EQ(other.read_now(), "later\n");
}

}  // namespace
}  // namespace emprops
