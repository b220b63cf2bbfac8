// Servers that an operator permits others to name, and patterns of names.

#include "ipc/web/host_list.h"

#include <gtest/gtest.h>

#include "ipc/text/glob.h"

namespace emprops::web {
namespace {

bool permits(const std::vector<std::string>& entries, const std::string& url) {
    const auto list = HostList::parse(entries);
    const auto parsed = Url::parse(url);
    EXPECT_TRUE(list.ok()) << list.error().message;
    return list.ok() && parsed.ok() && list->permits(*parsed);
}

TEST(HostList, AnEntryIsAServerWithSchemeAndPort) {
    EXPECT_TRUE(permits({"a.org"}, "https://a.org/x?y"));
    EXPECT_TRUE(permits({" A.org. "}, "https://a.ORG:443"));
    EXPECT_FALSE(permits({"a.org"}, "http://a.org"));
    EXPECT_FALSE(permits({"a.org"}, "https://a.org:444"));
    EXPECT_FALSE(permits({"a.org"}, "https://b.a.org"));
    EXPECT_FALSE(permits({"a.org"}, "wss://a.org"));
    EXPECT_TRUE(permits({"a.org:8443"}, "https://a.org:8443"));
    EXPECT_FALSE(permits({"a.org:8443"}, "https://a.org"));
    EXPECT_TRUE(permits({"http://a.org"}, "http://a.org:80"));
    EXPECT_FALSE(permits({"http://a.org"}, "https://a.org"));
    EXPECT_FALSE(permits({}, "https://a.org"));
}

TEST(HostList, AStarIsOneNameOrMoreBeforeADot) {
    EXPECT_TRUE(permits({"*.a.org"}, "https://x.y.a.org"));
    EXPECT_FALSE(permits({"*.a.org"}, "https://a.org"));
    EXPECT_FALSE(permits({"*.a.org"}, "https://.a.org"));
    EXPECT_FALSE(permits({"*.a.org"}, "https://xa.org"));
    EXPECT_FALSE(permits({"*.a.org"}, "https://a.org.evil.org"));
}

TEST(HostList, AnAddressIsPermittedByItsOwnEntryOnly) {
    const auto list = HostList::parse({"name.lan:9000", "http://10.0.0.5:9000", "[fd00::2]"});
    ASSERT_TRUE(list.ok());
    EXPECT_TRUE(list->names(*IpAddress::parse("10.0.0.5"), 9000));
    EXPECT_FALSE(list->names(*IpAddress::parse("10.0.0.5"), 9001));
    EXPECT_FALSE(list->names(*IpAddress::parse("10.0.0.6"), 9000));
    EXPECT_TRUE(list->names(*IpAddress::parse("fd00:0::2"), 443));
    EXPECT_TRUE(permits({"[fd00::2]"}, "https://[FD00:0::2]/"));
}

TEST(HostList, WhatIsNoServerIsNamed) {
    for (const char* entry : {"", "*", "*.", "*.10.0.0.1", "a.*.org", "https://a.org/x", "a.org?x",
                              "ftp://a.org", "u@a.org", "a b.org", "a.org:99999", "a.org:x", "a\\b"}) {
        const auto list = HostList::parse({"fine.org", entry});
        ASSERT_FALSE(list.ok()) << entry;
        EXPECT_NE(list.error().message.find("\"" + std::string(entry) + "\""), std::string::npos);
    }
}

TEST(Glob, StarsAndQuestionMarks) {
    using text::fits_glob;
    EXPECT_TRUE(fits_glob("a.png", "*.png"));
    EXPECT_TRUE(fits_glob("a.png", "a.png"));
    EXPECT_TRUE(fits_glob("a.png", "?.p*g*"));
    EXPECT_TRUE(fits_glob("aXbXc", "a*b*c"));
    EXPECT_TRUE(fits_glob("", "*"));
    EXPECT_TRUE(fits_glob("", ""));
    EXPECT_FALSE(fits_glob("a.png", "*.PNG"));
    EXPECT_FALSE(fits_glob("a.png", "a.pn"));
    EXPECT_FALSE(fits_glob("a.png", "a.png?"));
    EXPECT_FALSE(fits_glob("[a]", "[a-z]")) << "no classes";
    EXPECT_FALSE(fits_glob("", "?"));
    std::string stars;
    for (int i = 0; i < 2000; ++i)
        stars += "*a";
    EXPECT_FALSE(fits_glob(std::string(5000, 'a'), stars + "b")) << "and it ends";
}

}  // namespace
}  // namespace emprops::web
