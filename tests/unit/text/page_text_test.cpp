#include "ipc/web/page_text.h"

#include <gtest/gtest.h>

namespace emprops::web {
namespace {

TEST(PageText, IsTheTitleElseTheTextOfAPage) {
    EXPECT_EQ(
        page_text("<!doctype html>\n<HTML><head><style>b{}</style><TITLE>\n502 Bad\tGateway </TITLE></head>"),
        "502 Bad Gateway");
    EXPECT_EQ(
        page_text("<html><head><title></title><script>if (a < b) x</script></head><body><h1>A &amp; B</h1>"
                  "<p>down&nbsp;now</p></body></html>"),
        "A & B down now");
    EXPECT_EQ(page_text("<html><header>top</header> text"), "top text");
    EXPECT_EQ(page_text("<html><style>never closed"), "");
    EXPECT_EQ(page_text("<html <"), "");
}

TEST(PageText, OfAnythingElseIsItselfOnOneLine) {
    EXPECT_EQ(page_text(" {\"detail\":\n  \"Not Found\"}\r\n"), "{\"detail\": \"Not Found\"}");
    EXPECT_EQ(page_text(""), "");
    EXPECT_EQ(page_text(std::string("a\0b\x1b[2J", 7)), "a b [2J");
}

TEST(PageText, IsCutBetweenCharacters) {
    EXPECT_EQ(page_text("aaa\xC3\xA4", 4), "aaa...");
    EXPECT_EQ(page_text(std::string(20'000, 'x'), 10), "xxxxxxxxxx...");
    EXPECT_EQ(page_text("<title>" + std::string(20'000, 'x'), 10), "xxxxxxxxxx...");
}

}  // namespace
}  // namespace emprops::web
