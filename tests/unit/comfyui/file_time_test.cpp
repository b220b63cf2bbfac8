// When a file was written, by the ETag of ComfyUI's server.

#include "connectors/comfyui/text/file_time.h"

#include <gtest/gtest.h>

namespace emprops::comfyui {
namespace {

TEST(FileTime, IsTheFirstHalfOfAiohttpsTag) {
    // 1764529912123456789 ns and 7936 bytes.
    EXPECT_EQ(file_time_of("\"187cde9b2fab7d15-1f00\""), 1764529912123);
}

TEST(FileTime, OfAnyOtherTagIsNotKnown) {
    for (const char* tag :
         {"", "\"\"", "abc", "\"abc\"", "W/\"187cde9b2fab7d15-1f00\"", "\"187cde9b2fab7d15\"",
          "\"187cde9b2fab7d15-\"", "\"-1f00\"", "\"5f-1f00\"", "\"187cde9b2fab7d15-1f00-x\"",
          "\"33a64df551425fcc55e4d42a148795d9f25f89d4\"", "\"ffffffffffffffffff-1\""})
        EXPECT_FALSE(file_time_of(tag)) << tag;
}

}  // namespace
}  // namespace emprops::comfyui
