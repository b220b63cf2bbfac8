#include "supervisor/base/log_format.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace emprops {
namespace {

using namespace std::chrono_literals;

LogRecord record(std::string_view message, LogFields fields = {}) {
    return {std::chrono::system_clock::time_point(1'795'438'027'123ms), "info", "hub", message,
            std::move(fields)};
}

TEST(LogFormat, TextNamesTimeLevelComponentAndFields) {
    EXPECT_EQ(format_text(record("connected", {"comfyui", 42, "job-1"})),
              "2026-11-23T12:47:07.123Z info  hub: connected [connector=comfyui pid=42 job=job-1]\n");
    EXPECT_EQ(format_text(record("connected")), "2026-11-23T12:47:07.123Z info  hub: connected\n");
}

TEST(LogFormat, ATextRecordIsOneLineWhateverAChildPrinted) {
    EXPECT_EQ(one_line("a\nb\tc\r\x1b[31mred\x7f"), "a\\nb\\tc\\r\\x1b[31mred\\x7f");
    EXPECT_EQ(one_line("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
    EXPECT_EQ(one_line("bad \xff byte"), "bad \xef\xbf\xbd byte");
    EXPECT_EQ(one_line("8-bit escape \xc2\x9b"
                       "2J"),
              "8-bit escape \\x9b2J");
    EXPECT_EQ(one_line("turned \xe2\x80\xaegpj.exe"), "turned \\u202egpj.exe");
    EXPECT_EQ(one_line("caf\xc2\xa0\xc3\xa9 \xe2\x82\xac"), "caf\xc2\xa0\xc3\xa9 \xe2\x82\xac");
    EXPECT_EQ(safe_lines("a\x1b\nb\n"), "a\\x1b\nb\n");
}

TEST(LogFormat, JsonStaysValidForQuotesNewlinesAndBrokenUtf8) {
    const auto line = format_json(record("say \"hi\"\n\xff{", {"c\"x", 0, "../job"}));
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    const auto parsed = nlohmann::json::parse(line);
    EXPECT_EQ(parsed["message"], "say \"hi\"\n\xef\xbf\xbd{");
    EXPECT_EQ(parsed["connector"], "c\"x");
    EXPECT_EQ(parsed["job_id"], "../job");
    EXPECT_FALSE(parsed.contains("pid"));
    EXPECT_EQ(parsed["time"], "2026-11-23T12:47:07.123Z");
}

}  // namespace
}  // namespace emprops
