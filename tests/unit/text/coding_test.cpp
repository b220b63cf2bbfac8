#include <gtest/gtest.h>

#include "ipc/text/percent.h"
#include "ipc/text/utf8.h"
#include "ipc/web/base64.h"
#include "ipc/web/request_target.h"

namespace emprops {
namespace {

TEST(PercentCoding, IsReversibleForEveryByte) {
    std::string all;
    for (int i = 0; i < 256; ++i)
        all += static_cast<char>(i);
    EXPECT_EQ(text::percent_decode(text::percent_encode(all)), all);
    EXPECT_EQ(text::percent_decode_strict(text::percent_encode(all)), all);
    EXPECT_EQ(text::percent_encode("a/b c", "/"), "a/b%20c");
}

TEST(PercentCoding, WhatIsNoCodeStaysOrIsRefused) {
    for (const char* bad : {"100%", "%4", "%zz", "%-1", "a%4"}) {
        EXPECT_EQ(text::percent_decode(bad), bad);
        EXPECT_EQ(text::percent_decode_strict(bad), std::nullopt) << bad;
    }
    EXPECT_EQ(text::percent_decode("%41"), "A");
    EXPECT_EQ(text::percent_decode("%e4%2F"), "\xe4/");
}

TEST(Utf8, IsCutBetweenCharacters) {
    EXPECT_EQ(text::cut("aäb", 2), "a");
    EXPECT_EQ(text::cut("aäb", 3), "aä");
    EXPECT_EQ(text::cut("abc", 3), "abc");
    EXPECT_EQ(text::cut("ä", 1), "");
    EXPECT_EQ(text::cut("\xbf\xbf", 1), "");
    EXPECT_EQ(text::shortened("aäb", 2), "a...");
    EXPECT_EQ(text::shortened("aäb", 4), "aäb");
    EXPECT_EQ(text::shortened("abcd", 1, "…"), "a…");
}

TEST(Base64, RoundTripsEveryLength) {
    std::string bytes;
    for (int i = 0; i < 300; ++i) {
        const std::string text = web::base64_encode(bytes);
        EXPECT_EQ(text.size() % 4, 0u);
        const auto back = web::base64_decode(text);
        ASSERT_TRUE(back.ok()) << i;
        EXPECT_EQ(*back, bytes);
        bytes += static_cast<char>(i * 7);
    }
}

TEST(Base64, TakesTheUrlAlphabetWhiteSpaceAndMissingPadding) {
    EXPECT_EQ(web::base64_encode("\xfb\xff"), "+/8=");
    EXPECT_EQ(web::base64_decode("-_8").value(), "\xfb\xff");
    EXPECT_EQ(web::base64_decode(" YW\r\nJj\n").value(), "abc");
    EXPECT_EQ(web::base64_decode("").value(), "");
    EXPECT_EQ(web::base64_decode("YQ==").value(), "a");
    for (const char* bad : {"a", "YWJjZ", "Y=Jj", "YWJj!", "\xc3\xa4"})
        EXPECT_FALSE(web::base64_decode(bad).ok()) << bad;
}

TEST(RequestTarget, IsSplitAndDecoded) {
    const auto target = web::RequestTarget::parse("/v1/why/a%20b%2f/?x=%31+2&y&z=");
    EXPECT_TRUE(target.well_formed);
    EXPECT_EQ(target.segments, (std::vector<std::string>{"v1", "why", "a b/", ""}));
    EXPECT_EQ(target.query.at("x"), "1 2");
    EXPECT_EQ(target.query.at("y"), "");
    EXPECT_EQ(target.query.at("z"), "");
    EXPECT_FALSE(web::RequestTarget::parse("no-slash").well_formed);
    EXPECT_FALSE(web::RequestTarget::parse("/bad%2").well_formed);
    EXPECT_FALSE(web::RequestTarget::parse("/?bad=%").well_formed);
    EXPECT_TRUE(web::RequestTarget::parse("/").segments.empty());
}

}  // namespace
}  // namespace emprops
