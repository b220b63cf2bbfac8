#include "ipc/file_marks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ipc/envelope.h"
#include "ipc/messages.h"
#include "ipc/result_files.h"

namespace emprops::ipc {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// What stands at the marks of a text, with the numbers of their files.
std::vector<std::string> marks_of(const std::string& text) {
    std::vector<std::string> out;
    for (const FileMark& mark : find_file_marks(text))
        out.push_back(std::to_string(mark.file) + " " + text.substr(mark.at, mark.bytes));
    return out;
}

std::string fault(const std::string& result, std::size_t files) {
    const Result<> checked = check_file_marks(result, files);
    if (checked.ok()) return {};
    EXPECT_EQ(checked.error().code, code::protocol_error);
    return checked.error().message;
}

TEST(FileMarks, AreFoundAtAnyDepthInTheirOrder) {
    EXPECT_THAT(marks_of(R"({"a":{"$file":1},"b":[{"$file":0},[[{"x":{"$file":2}}]]],"c":"d"})"),
                ElementsAre(R"(1 {"$file":1})", R"(0 {"$file":0})", R"(2 {"$file":2})"));
    EXPECT_THAT(marks_of(R"({"$file":0})"), ElementsAre(R"(0 {"$file":0})")) << "the whole result";
    EXPECT_THAT(marks_of(R"({"a":[],"b":{},"c":{"$file":10}})"), ElementsAre(R"(10 {"$file":10})"));
}

TEST(FileMarks, MayHoldWhiteSpaceAndEscapesInTheirName) {
    EXPECT_THAT(marks_of("{\"a\": { \"$file\"\t:\r\n3 } }"), ElementsAre("3 { \"$file\"\t:\r\n3 }"));
    EXPECT_THAT(marks_of(R"({"a":{"\u0024file":0}})"), ElementsAre(R"(0 {"\u0024file":0})"));
    EXPECT_THAT(marks_of(R"({"a":{"\u0024\u0066\u0069\u006C\u0065":0}})"),
                ElementsAre(R"(0 {"\u0024\u0066\u0069\u006C\u0065":0})"));
}

TEST(FileMarks, WhatOnlyLooksLikeOneIsNone) {
    for (const char* text : {
             R"({"a":{"$file":0,"more":1}})",
             R"({"a":{"more":1,"$file":0}})",
             R"({"a":{"$file":0,"$file":1}})",
             R"({"a":{"$file":"0"}})",
             R"({"a":{"$file":0.0}})",
             R"({"a":{"$file":1e0}})",
             R"({"a":{"$file":-0}})",
             R"({"a":{"$file":-1}})",
             R"({"a":{"$file":null}})",
             R"({"a":{"$file":[0]}})",
             R"({"a":{"$File":0}})",
             R"({"a":{"$$file":0}})",
             R"({"a":{"\\u0024file":0}})",
             R"({"a":"{\"$file\":0}"})",
             R"({"{\"$file\":0}":1})",
             R"({"a":["$file",0]})",
             R"({"a":{}})",
             "{}",
         }) {
        EXPECT_THAT(marks_of(text), IsEmpty()) << text;
        EXPECT_EQ(fill_file_marks(text, {"[]", "[]"}), text);
    }
    EXPECT_THAT(marks_of(R"({"$file":{"$file":{"$file":4}}})"), ElementsAre(R"(4 {"$file":4})"))
        << "one inside of what is none";
    EXPECT_THAT(marks_of(R"({"$file":0,"x":{"$file":1}})"), ElementsAre(R"(1 {"$file":1})"));
}

TEST(FileMarks, ANumberThatNoFileCanHaveIsTheLargestOne) {
    const auto marks = find_file_marks(R"({"a":{"$file":99999999999999999999999}})");
    ASSERT_EQ(marks.size(), 1u);
    EXPECT_EQ(marks[0].file, UINT64_MAX);
    EXPECT_THAT(fault(R"({"a":{"$file":99999999999999999999999}})", 1), HasSubstr("mentions"));
}

TEST(FileMarks, ADeepAndALongResultCostsNoStackAndNoSquareOfItsSize) {
    const std::size_t levels = 200'000;
    std::string deep;
    for (std::size_t i = 0; i < levels; ++i)
        deep += "{\"$file\":";
    EXPECT_EQ(find_file_marks(deep + "0" + std::string(levels, '}')).size(), 1u);
    EXPECT_EQ(find_file_marks(std::string(levels, '[') + R"({"$file":0})" + std::string(levels, ']')).size(),
              1u);
    std::string wide = "[0";
    for (std::size_t i = 0; i < levels; ++i)
        wide += R"(,{"$file":1})";
    EXPECT_EQ(find_file_marks(wide + "]").size(), levels);
}

TEST(FileMarks, TextThatIsNoJsonIsNoHarm) {
    const std::string whole = R"({"a":[{"$file":0},1,"x"],"b":{"$file":1}})";
    for (std::size_t size = 0; size < whole.size(); ++size) {
        for (const char last : {'{', '}', '[', ']', ',', ':', '"', '$', '0', '\0'})
            find_file_marks(whole.substr(0, size) + last + whole.substr(size));
        find_file_marks(whole.substr(0, size));
    }
}

TEST(FileMarks, AreFilledAndEverythingElseStaysByteForByte) {
    const std::string result =
        R"({ "n":1.10,"s":18446744073709551616, "u":"\ud800","f":[{"$file":1}, { "$file" : 0 },{"$file":1}],"k":{"$file":0,"x":1}})";
    EXPECT_EQ(
        fill_file_marks(result, {R"({"url":"zero"})", R"({"url":"one"})"}),
        R"({ "n":1.10,"s":18446744073709551616, "u":"\ud800","f":[{"url":"one"}, {"url":"zero"},{"url":"one"}],)"
        R"("k":{"$file":0,"x":1}})");
    EXPECT_EQ(fill_file_marks(R"({"a":{"$file":7}})", {"{}"}), R"({"a":{"$file":7}})")
        << "there is no such file";
    EXPECT_EQ(fill_file_marks(R"({"a":{"$file":0}})", {R"({"$file":0})"}), R"({"a":{"$file":0}})")
        << "what is filled in is not read again";
}

TEST(FileMarks, EachFileMustBeMentionedAndNoOther) {
    EXPECT_EQ(fault(R"({"a":{"$file":0},"b":{"$file":1}})", 2), "");
    EXPECT_EQ(fault(R"({"a":{"$file":0},"b":{"$file":0}})", 1), "") << "twice is well";
    EXPECT_THAT(fault(R"({"a":{"$file":0},"b":{"$file":2}})", 2),
                AllOf(HasSubstr("{\"$file\": 2}"), HasSubstr("2 entries, counted from 0")));
    EXPECT_THAT(fault(R"({"a":{"$file":0}})", 3), HasSubstr("files[1] is never mentioned"));
}

TEST(FileMarks, AnEmptyResultWithFilesIsToldHowToMentionThem) {
    EXPECT_THAT(fault("{}", 1), AllOf(HasSubstr("files[0] is never mentioned"),
                                      HasSubstr(R"("result": {"output": {"$file": 0}})")));
}

TEST(FileMarks, WithoutFilesNothingIsAMark) {
    EXPECT_EQ(fault(R"({"a":{"$file":5}})", 0), "") << "a connector that sends no files works as before";
}

TEST(FileMarks, StandWhereAnEntryFitsBelowTheLimitOfAResult) {
    static_assert(max_mark_depth + max_file_depth <= max_value_depth);
    const auto at_depth = [](int depth) {
        const auto n = static_cast<std::size_t>(depth - 1);
        return R"({"a":)" + std::string(n, '[') + R"({"$file":0})" + std::string(n, ']') + "}";
    };
    EXPECT_EQ(fault(at_depth(max_mark_depth - 1), 1), "");
    EXPECT_THAT(fault(at_depth(max_mark_depth), 1), HasSubstr("deeper than 240"));
    const std::string deepest = std::string(max_file_depth - 1, '[') + std::string(max_file_depth - 1, ']');
    ScanLimits limits;
    limits.max_depth = max_value_depth;
    EXPECT_FALSE(
        check_json(fill_file_marks(at_depth(max_mark_depth - 1), {"{\"x\":" + deepest + "}"}), limits));
}

}  // namespace
}  // namespace emprops::ipc
