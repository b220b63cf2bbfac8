#include "ipc/text/values.h"

#include <gtest/gtest.h>

#include "ipc/text/encoding.h"

namespace emprops {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t KiB = 1024;
constexpr std::uint64_t MiB = 1024 * KiB;

TEST(Text, DurationsAreNumbersWithUnitsOrSeconds) {
    EXPECT_EQ(text::parse_duration("500ms"), 500ms);
    EXPECT_EQ(text::parse_duration("10s"), 10s);
    EXPECT_EQ(text::parse_duration(" 1.5 s "), 1500ms);
    EXPECT_EQ(text::parse_duration("5m"), 5min);
    EXPECT_EQ(text::parse_duration("5min"), 5min);
    EXPECT_EQ(text::parse_duration("1h"), 1h);
    EXPECT_EQ(text::parse_duration("7d"), 168h);
    EXPECT_EQ(text::parse_duration("20"), 20s);
    EXPECT_EQ(text::parse_duration("0"), 0s);
}

TEST(Text, IsBareWithoutWhatMachinesWriteAroundIt) {
    for (const char* text : {"a b", " a b\r\n", "\"a b\"", "'a b'\r",
                             "\xef\xbb\xbf"
                             "a b",
                             "\xc2\xa0"
                             "a b\xe2\x80\x8b ",
                             "\xe2\x80\x9c"
                             "a b\xe2\x80\x9d",
                             "\" a b \""})
        EXPECT_EQ(text::bare(text), "a b") << text;
    for (const char* text : {"\"a\" \"b\"", "\"a", "a'", "'a' b'", "\""})
        EXPECT_EQ(text::bare(text), text);
    EXPECT_EQ(text::bare("\"\""), "");
}

TEST(Text, WhatNobodyHasExpandedIsFound) {
    const std::pair<const char*, const char*> found[] = {
        {"$HOST", "$HOST"},         {"ws://$HOST:1/x", "$HOST"},
        {"a ${HOST} b", "${HOST}"}, {"${HOST:-x}/y", "${HOST:-x}"},
        {"%HOST%", "%HOST%"},       {"/opt:$PATH", "$PATH"},
        {"$A_1/x", "$A_1"},         {"a=$B", "$B"}};
    for (const auto& [text, what] : found)
        EXPECT_EQ(text::unexpanded(text), what) << text;
    for (const char* text :
         {"", "$", "a$B", "pa$SWORD", "$5", "$host", "${host}", "${", "$ORIGIN/lib", "50%", "%a%", "$A$B"})
        EXPECT_EQ(text::unexpanded(text), "") << text;
}

TEST(Text, OfAFileIsUtf8OrNamed) {
    using namespace std::string_view_literals;
    EXPECT_EQ(*text::utf8_of("\xef\xbb\xbf{}"), "{}");
    EXPECT_EQ(*text::utf8_of("{}"), "{}");
    EXPECT_EQ(*text::utf8_of(""), "");
    for (const std::string_view wide :
         {"\xff\xfe{\0}\0"sv, "\xfe\xff\0{\0}"sv, "{\0\"\0a\0"sv, "\0{\0\"\0a"sv})
        EXPECT_NE(text::utf8_of(wide).error().message.find("UTF-16"), std::string::npos);
    for (const std::string_view wide : {"\xff\xfe\0\0{\0\0\0"sv, "{\0\0\0}\0\0\0"sv})
        EXPECT_NE(text::utf8_of(wide).error().message.find("UTF-32"), std::string::npos);
}

TEST(Text, WhatIsNoDurationIsNotGuessed) {
    for (const char* text : {"", "s", "-1s", "1x", "1.2.3s", "1 0s", "ten", "1e3", "99999999d", "nan"}) {
        EXPECT_EQ(text::parse_duration(text), std::nullopt) << text;
    }
}

TEST(Text, SizesKnowBinaryAndDecimalUnits) {
    EXPECT_EQ(text::parse_bytes("16MiB"), 16 * MiB);
    EXPECT_EQ(text::parse_bytes("512 kib"), 512 * KiB);
    EXPECT_EQ(text::parse_bytes("10MB"), 10'000'000U);
    EXPECT_EQ(text::parse_bytes("1GiB"), 1024 * MiB);
    EXPECT_EQ(text::parse_bytes("0"), 0U);
    for (const char* text : {"", "MiB", "-1", "1XB", "9999999999TB"}) {
        EXPECT_EQ(text::parse_bytes(text), std::nullopt) << text;
    }
}

TEST(Text, BooleansAreThoseOfThePythonWorkerAndTheirOpposites) {
    for (const char* text : {"true", "TRUE", "1", "yes", "Yes", "on"})
        EXPECT_EQ(text::parse_bool(text), true) << text;
    for (const char* text : {"false", "0", "NO", "off", ""})
        EXPECT_EQ(text::parse_bool(text), false) << text;
    for (const char* text : {"maybe", "2", "tru"})
        EXPECT_EQ(text::parse_bool(text), std::nullopt) << text;
}

TEST(Text, CommandsAreSplitLikeAShellWould) {
    using Words = std::vector<std::string>;
    EXPECT_EQ(text::split_words("python3  'my file.py' --x=\"a b\" c\\ d ''"),
              (Words{"python3", "my file.py", "--x=a b", "c d", ""}));
    EXPECT_EQ(text::split_words("\"a\\\"b\" 'c\\d'"), (Words{"a\"b", "c\\d"}));
    EXPECT_EQ(text::split_words("   "), Words{});
    EXPECT_EQ(text::split_words("a 'b"), std::nullopt);
}

}  // namespace
}  // namespace emprops
