// The notice as a file; the URL needs a server (tests/integration/drain_notice_test.cpp).

#include "supervisor/worker/drain_notice.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <optional>
#include <vector>

#include "tests/support/temp_dir.h"

namespace emprops::test {
namespace {

struct DrainNoticeTest : testing::Test {
    DrainNoticeTest() { settings.drain_notice_interval = {}; }
    void begin() {
        notice.emplace(io.get_executor(), settings,
                       [this](const std::string& what) { heard.push_back(what); });
    }
    /// It looks a few times.
    void look() {
        for (int times = 0; times < 5; ++times)
            io.run_one();
    }
    TempDir dir;
    config::WorkerSettings settings;
    boost::asio::io_context io;
    std::vector<std::string> heard;
    std::optional<DrainNotice> notice;
};

TEST_F(DrainNoticeTest, AFileThatAppearsIsToldOnce) {
    settings.drain_notice_file = dir / "notice";
    begin();
    look();
    EXPECT_TRUE(heard.empty());
    dir.write_file("notice", "");
    look();
    look();
    EXPECT_EQ(heard, std::vector<std::string>{(dir / "notice").string()});
    EXPECT_EQ(io.poll(), 0u) << "it has stopped to look";
}

TEST_F(DrainNoticeTest, WithoutAFileAndAUrlItNeverLooks) {
    begin();
    EXPECT_EQ(io.run(), 0u);
}

TEST_F(DrainNoticeTest, NothingIsToldAfterItsEnd) {
    settings.drain_notice_file = dir.write_file("notice", "");
    begin();
    notice.reset();
    look();
    EXPECT_TRUE(heard.empty());
}

}  // namespace
}  // namespace emprops::test
