#include "ipc/text/utf8.h"

#include <gtest/gtest.h>

namespace emprops::text {
namespace {

TEST(Cut, EndsBetweenTwoCharacters) {
    const std::string text = "a\u00e9\u20ac\U0001F600";  // 1, 2, 3 and 4 bytes
    const std::size_t ends[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};
    for (std::size_t limit = 0; limit < std::size(ends); ++limit)
        EXPECT_EQ(cut(text, limit).size(), ends[limit]) << limit;
    EXPECT_EQ(cut(text, 1000), text);
    EXPECT_EQ(shortened(text, 5), "a\u00e9...");
    EXPECT_EQ(shortened(text, 10), text);
}

TEST(Cut, OfWhatIsNoUtf8KeepsWhatFits) {
    const std::string latin(100, '\xa9');
    EXPECT_EQ(cut(latin, 50).size(), 50u);
}

}  // namespace
}  // namespace emprops::text
