// check_json against a list of texts, against nlohmann's parser and against random JSON.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "ipc/envelope.h"

namespace emprops::ipc {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::vector<std::string> good{
    "null",
    " true ",
    "false",
    "0",
    "-0",
    "-0.0",
    "1",
    "-12",
    "1.5",
    "1e5",
    "1E+5",
    "1e-5",
    "0.1e1",
    "12345678901234567890123",
    "\"\"",
    "\"a\"",
    R"("\"\\\/\b\f\n\r\t\u0041")",
    R"("\u0000")",
    "\"\x7f\"",
    "\"\xc2\x80\"",
    "\"\xdf\xbf\"",
    "\"\xe0\xa0\x80\"",
    "\"\xed\x9f\xbf\"",
    "\"\xee\x80\x80\"",
    "\"\xef\xbf\xbf\"",
    "\"\xf0\x90\x80\x80\"",
    "\"\xf4\x8f\xbf\xbf\"",
    "[]",
    "[ ]",
    "{}",
    "{ }",
    "[1,2]",
    "[[],[[]],{}]",
    R"({"":0})",
    R"({"a":1,"a":2})",
    R"({"a":[{"b":null},-1]})",
    "\t\n\r [ 1 , { \"a\" : \"b\" } ]\n",
    "\"12345678\"",
    "\"1234567\xc3\xa9\"",
};

const std::vector<std::string> bad{
    "",
    " ",
    "nul",
    "nulll",
    "True",
    "None",
    "NaN",
    "-NaN",
    "Infinity",
    "-Infinity",
    "undefined",
    "+1",
    "-",
    "01",
    "-01",
    "1.",
    ".5",
    "1e",
    "1e+",
    "0x1",
    "1 2",
    "'a'",
    "\"",
    "\"a",
    "\"\\",
    "\"\\\"",
    R"("\x41")",
    R"("\u12")",
    R"("\u12G4")",
    R"("\u")",
    "\"\n\"",
    "\"\t\"",
    "\"\x1f\"",
    std::string("\"\0\"", 3),
    std::string("{}\0", 3),
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1}",
    "{",
    "}",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{,}",
    "{a:1}",
    "{\"a\" 1}",
    "{\"a\":1]",
    "{1:2}",
    "{}{}",
    "[] x",
    "// c\n1",
    "/**/1",
    "\"\x80\"",
    "\"\xbf\"",
    "\"\xc0\x80\"",
    "\"\xc1\xbf\"",
    "\"\xc3\"",
    "\"\xc3\xc3\"",
    "\"\xe0\x9f\xbf\"",
    "\"\xed\xa0\x80\"",
    "\"\xed\xbf\xbf\"",
    "\"\xe2\x82\"",
    "\"\xf0\x8f\xbf\xbf\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xf5\x80\x80\x80\"",
    "\"\xff\"",
    "\xc3\xa9",
    "\"12345678\x01\"",
    "\"1234567\xff\"",
    "\xff",
};

TEST(JsonSyntax, GoodTextsAreAcceptedLikeByNlohmann) {
    for (const std::string& text : good) {
        const auto error = check_json(text);
        EXPECT_FALSE(error.has_value()) << text << ": " << error->reason;
        EXPECT_TRUE(json::accept(text)) << text;
    }
}

TEST(JsonSyntax, BadTextsAreRefusedWithAReasonAndAPlaceInside) {
    for (const std::string& text : bad) {
        const auto error = check_json(text);
        ASSERT_TRUE(error.has_value()) << text;
        EXPECT_FALSE(error->reason.empty());
        EXPECT_LE(error->offset, text.size());
        // nlohmann takes a NUL byte for the end of its input.
        const bool has_nul = text.find('\0') != std::string::npos;
        EXPECT_TRUE(has_nul || !json::accept(text)) << text;
    }
}

TEST(JsonSyntax, EveryBeginningOfAnObjectIsIncomplete) {
    const std::string text =
        R"( {"a":[1.5e3,"x\u00e9\n)" + std::string("\xe2\x82\xac") + R"(",true],"b":{}})";
    ASSERT_FALSE(check_json(text).has_value());
    for (std::size_t length = 0; length < text.size(); ++length) {
        const auto error = check_json(std::string_view(text).substr(0, length));
        ASSERT_TRUE(error.has_value()) << length;
        EXPECT_LE(error->offset, length);
    }
}

TEST(JsonSyntax, ReasonsHelpTheAuthorOfAConnector) {
    const auto reason = [](std::string_view text) { return check_json(text)->reason; };
    EXPECT_THAT(reason("[NaN]"), HasSubstr("NaN and Infinity are not JSON"));
    EXPECT_THAT(reason("[-Infinity]"), HasSubstr("NaN and Infinity are not JSON"));
    EXPECT_THAT(reason("[True]"), HasSubstr("lower case"));
    EXPECT_THAT(reason("['a']"), HasSubstr("double quotes"));
    EXPECT_THAT(reason("\"\xff\""), HasSubstr("not UTF-8"));
    EXPECT_THAT(reason("\"\n\""), HasSubstr("control character"));
    EXPECT_THAT(reason("[1,}"), HasSubstr("found '}' where a value is expected"));
    EXPECT_THAT(reason("[1 \x01"), HasSubstr("byte 0x01"));
    EXPECT_THAT(reason("[1"), HasSubstr("the text ends"));
}

TEST(JsonSyntax, DepthLimitIsExact) {
    ScanLimits limits;
    limits.max_depth = 3;
    EXPECT_FALSE(check_json("[[[]]]", limits).has_value());
    EXPECT_FALSE(check_json(R"({"a":{"b":[1]}})", limits).has_value());
    EXPECT_FALSE(check_json("[[[]],[[]],[[]]]", limits).has_value()) << "width is no depth";
    const auto error = check_json("[[[[]]]]", limits);
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->offset, 3u);
    EXPECT_THAT(error->reason, HasSubstr("deeper than 3"));
}

/// Random JSON text in all its spellings: odd white space, escapes, number forms, duplicate names.
class Generator {
  public:
    explicit Generator(unsigned seed) : random_(seed) {}

    std::size_t below(std::size_t limit) {
        return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
    }

    std::string value(int depth) {
        const auto kind = below(depth > 0 ? 7 : 5);
        if (kind < 2) return space() + text() + space();
        if (kind < 4) return space() + number() + space();
        if (kind == 4) return space() + pick({"true", "false", "null"}) + space();
        return space() + (kind == 5 ? array(depth) : object(depth)) + space();
    }

    std::string object(int depth) {
        std::string out = "{" + space();
        for (std::size_t i = 0, n = below(4); i < n; ++i)
            out += (i > 0 ? "," : "") + space() + text() + space() + ":" + value(depth - 1);
        return out + "}";
    }

  private:
    std::string pick(std::initializer_list<const char*> some) { return some.begin()[below(some.size())]; }
    std::string space() { return pick({"", "", "", " ", "\n", "\r\n", "\t "}); }
    std::string array(int depth) {
        std::string out = "[" + space();
        for (std::size_t i = 0, n = below(4); i < n; ++i)
            out += (i > 0 ? "," : "") + value(depth - 1);
        return out + "]";
    }
    std::string number() {
        return pick({"", "-"}) + pick({"0", "7", "10", "18446744073709551616", "9007199254740993"}) +
               pick({"", "", ".0", ".10", ".123456789012345678901"}) + pick({"", "", "e5", "E+05", "e-3"});
    }
    std::string text() {
        std::string out = "\"";
        for (std::size_t i = 0, n = below(12); i < n; ++i) {
            out +=
                pick({"a", "payload", " ", "/", "{", "]", "\\\"", "\\\\", "\\n", "\\/", "\\u00e9", "\\u0000",
                      "\\ud83d\\ude00", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\x7f"});
        }
        return out + "\"";
    }

    std::mt19937 random_;
};

TEST(JsonSyntax, RandomJsonIsCarriedByteForByteAndItsFieldsEqualTheParser) {
    Generator generator(20240517);
    for (int round = 0; round < 1500; ++round) {
        const std::string payload = generator.object(5);
        const std::string other = generator.value(4);
        const std::string line = R"({"other":)" + other + R"(,"payload": )" + payload + R"( ,"job_id":"j"})";
        const auto outcome = scan_envelope(line, {"payload"});
        ASSERT_TRUE(outcome.envelope) << line << "\n" << outcome.error.offset << ": " << outcome.error.reason;
        ASSERT_EQ(outcome.envelope->find("payload"), payload);
        ASSERT_EQ(outcome.envelope->fields["other"], json::parse(other));
        ASSERT_FALSE(check_json(payload).has_value());
        ASSERT_EQ(json::parse(on_one_line(payload)), json::parse(payload));
        ASSERT_EQ(on_one_line(payload).find_first_of("\r\n"), std::string::npos);
    }
}

/// Damage can make a number too large for a double (JSON by its grammar, but nlohmann refuses it).
bool only_out_of_range(const std::string& text) {
    try {
        return json::parse(text).is_discarded();
    } catch (const json::out_of_range&) {
        return true;
    } catch (const json::parse_error&) {
        return false;
    }
}

TEST(JsonSyntax, DamagedJsonIsJudgedLikeByNlohmann) {
    Generator generator(7);
    int refused = 0;
    for (int round = 0; round < 8000; ++round) {
        std::string text = generator.value(3);
        const std::size_t at = generator.below(text.size() + 1);
        const std::string junk = std::string("\"\\{}[]:,0-.eu\x01\x80\xff \n").substr(generator.below(18), 1);
        switch (generator.below(4)) {
            case 0:
                text.insert(at, junk);
                break;
            case 1:
                text.erase(at, 1 + generator.below(3));
                break;
            case 2:
                text.replace(at, 1, junk);
                break;
            default:
                text.resize(at);
                break;
        }
        // Lone surrogates are JSON by RFC 8259, but nlohmann refuses them.
        if (text.find("\\ud") != std::string::npos || only_out_of_range(text)) continue;
        const bool accepted = !check_json(text).has_value();
        ASSERT_EQ(accepted, json::accept(text)) << text;
        refused += accepted ? 0 : 1;
    }
    EXPECT_GT(refused, 2000) << "the damage must matter, or nothing was compared";
}

}  // namespace
}  // namespace emprops::ipc
