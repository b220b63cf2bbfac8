#include "supervisor/base/log_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

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

TEST(LogWriter, WritesLinesInOrder) {
    Pipe pipe;
    LogWriter writer({pipe.ends[1]}, {});
    writer.push("one\n");
    writer.push("two\n");
    writer.flush(5000);
    EXPECT_EQ(pipe.read_now(), "one\ntwo\n");
}

TEST(LogWriter, AReaderThatStallsCostsOldLinesAndNeverBlocksTheCaller) {
    Pipe pipe;
    LogWriter writer({pipe.ends[1]}, {100, 1 << 20});
    const std::string line(1000, 'x');
    for (int i = 0; i < 5000; ++i)
        writer.push(line + "\n");  // 5 MB into a pipe of 64 KiB that nobody reads
    EXPECT_GT(writer.dropped(), 1000u);
}  // and the destructor does not hang

}  // namespace
}  // namespace emprops
