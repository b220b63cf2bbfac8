// JSON strings as text: whole ones, and beginnings that are cut off.

#include "ipc/json_string.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "ipc/envelope.h"

namespace emprops::ipc {
namespace {

TEST(JsonString, EscapesBecomeWhatTheyStandFor) {
    EXPECT_EQ(unescaped(R"("")"), "");
    EXPECT_EQ(unescaped(R"("plain")"), "plain");
    EXPECT_EQ(unescaped(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
    EXPECT_EQ(unescaped(R"("\u0041\u00e4\u20AC\ud83d\ude00")"), "A\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
    EXPECT_EQ(unescaped(R"("a\u0000b")"), std::string("a\0b", 3));
}

TEST(JsonString, ALoneSurrogateBecomesTheReplacementCharacter) {
    const std::string lost = "\xEF\xBF\xBD";
    EXPECT_EQ(unescaped(R"("\ud83d")"), lost);
    EXPECT_EQ(unescaped(R"("\ude00x")"), lost + "x");
    EXPECT_EQ(unescaped(R"("\ud83d\u0041")"), lost + "A");
    EXPECT_EQ(unescaped(R"("\ud83d\ud83d\ude00")"), lost + "\xF0\x9F\x98\x80");
    EXPECT_EQ(unescaped(R"("\ud83d\n")"), lost + "\n");
}

TEST(JsonString, AnyTextComesBackFromHowALibraryWritesIt) {
    std::mt19937 random(11);
    const std::vector<std::string> pieces = {
        "a", "\"", "\\", "\n", "\x01", "\xC3\xA4", "\xF0\x9F\x98\x80", "\\u0041", "/"};
    for (int round = 0; round < 500; ++round) {
        std::string text;
        for (int i = 0; i < round % 40; ++i)
            text += pieces[random() % pieces.size()];
        for (const bool ascii : {false, true})
            EXPECT_EQ(unescaped(nlohmann::json(text).dump(-1, ' ', ascii)), text);
    }
}

TEST(JsonString, OfABeginningAllIsTakenButTheEscapeThatIsCutOff) {
    EXPECT_EQ(unescaped_beginning(R"(")"), "");
    EXPECT_EQ(unescaped_beginning(R"("ab)"), "ab");
    EXPECT_EQ(unescaped_beginning(R"("ab\)"), "ab");
    EXPECT_EQ(unescaped_beginning(R"("ab\\)"), "ab\\");
    EXPECT_EQ(unescaped_beginning(R"("ab\n)"), "ab\n");
    for (const char* cut_off : {R"("a\n\u)", R"("a\n\u0)", R"("a\n\u00e)"})
        EXPECT_EQ(unescaped_beginning(cut_off), "a\n") << cut_off;
    EXPECT_EQ(unescaped_beginning(R"("a\u00e4)"), "a\xC3\xA4");
    EXPECT_EQ(unescaped_beginning(R"("a\\\u00e)"), "a\\");
}

TEST(ScanBeginning, TakesTheSmallMembersThatAreWhole) {
    const std::string text = R"({"type":"job_available","job_id":"j","n":12,"deep":{"a":1},"behind":1})";
    for (std::size_t size = 0; size <= text.size(); ++size) {
        const auto fields = scan_beginning(text.substr(0, size)).fields;
        EXPECT_EQ(fields.contains("type"), size > 23) << size;
        EXPECT_EQ(fields.contains("job_id"), size > 36) << size;
        EXPECT_EQ(fields.contains("n"), size > 43) << "a number may go on where the text is cut: " << size;
        EXPECT_FALSE(fields.contains("deep") || fields.contains("behind")) << size;
    }
    for (const char* none :
         {"", "[1", "x", "{", "{\"", "{\"a\"", "{\"a\":", "{\"a\":tru", "{\"a\":\"\xff\"}"})
        EXPECT_TRUE(scan_beginning(none).fields.empty()) << none;
}

}  // namespace
}  // namespace emprops::ipc
