// What is on a connector's stdout beside its messages: prints of every form are harmless, and a message that somebody
// got wrong is named with its job.

#include "ipc/stray.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "ipc/looks.h"

namespace emprops::ipc {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

Stray stray(std::string_view line) {
    const Decoded outcome = decode_from_connector(line);
    if (!std::holds_alternative<Stray>(outcome)) {
        ADD_FAILURE() << "is not stray: " << line;
        return {};
    }
    return std::get<Stray>(outcome);
}

Malformed broken_line(std::string_view line) {
    const Decoded outcome = decode_from_connector(line);
    if (!std::holds_alternative<Malformed>(outcome)) {
        ADD_FAILURE() << "is not malformed: " << line;
        return {};
    }
    return std::get<Malformed>(outcome);
}

Behind behind(std::string_view line) {
    Decoded outcome = decode_from_connector(line);
    if (!std::holds_alternative<Behind>(outcome)) {
        ADD_FAILURE() << "has no message behind text: " << line;
        return {};
    }
    return std::get<Behind>(std::move(outcome));
}

TEST(StrayLine, PrintsOfEveryFormAreHarmless) {
    for (const char* line : {
             "{'loss': 0.12, 'epoch': 1}",
             "{1, 2, 3}",
             "{}",
             "{",
             "}",
             "  \"steps\": 3",
             "{ loss: 0.12, lr: 1e-05 }",
             "{don't know}",
             R"({"steps":3})",
             R"({"steps":3)",
             R"({"steps":NaN})",
             R"({"type":5})",
             R"({"type":"log","level":30})",
             R"({"type":"progress","value":3,"max":20})",
             R"({"event":"step","job_id":"j"})",
             R"({"event":"step","job_id":"j","le)",
             R"({"level":"info","event":"done","job_id":"j","result":{"n":1}})",
             R"(got {"type":"job","job_id":"j","payload":{}})",
             R"(loss {"a":{"type":"result","job_id":"j","result":{}}})",
             R"(100%|####| {"it/s": 3})",
             R"("type": "Linear",)",
         })
        stray(line);
}

TEST(StrayLine, OfAKnownLoggerHasLevelAndText) {
    const Stray pino =
        stray(R"({"level":40,"time":1764435600000,"pid":7,"hostname":"gpu","msg":"model loaded","n":1})");
    ASSERT_TRUE(pino.log);
    EXPECT_EQ(pino.log->level, "warn");
    EXPECT_EQ(pino.log->message, "model loaded");
    EXPECT_EQ(pino.log->fields, Json({{"n", 1}}));
    EXPECT_TRUE(stray(R"({"type":"log","level":30,"msg":"m"})").log);
    EXPECT_TRUE(stray(R"({"type":"app","level":"info","message":"m"})").log)
        << "no message of a later version";
}

TEST(StrayLine, OfAnotherEncodingSaysSo) {
    std::string line;
    for (const char c : std::string_view(R"({"type":"ready","protocol":1})"))
        line += {c, '\0'};
    for (const std::string& each :
         {line, "\xff\xfe" + line, std::string(1, '\0') + line.substr(0, line.size() - 1)})
        EXPECT_THAT(stray(each).hint, HasSubstr("UTF-16"));
    EXPECT_THAT(stray("{").hint, HasSubstr("one message stands on one line"));
}

TEST(BrokenMessage, ItsJobAndTypeAreFoundWhereverTheyStandAndHoweverTheyAreQuoted) {
    const char* lines[] = {
        R"({"type":"result","job_id":"j","result":{"a":NaN}})",
        R"({"result":{"a":NaN},"job_id":"j","type":"result"})",
        R"({"result":{"a":[1,{"b":NaN}],"t":"}"},"type" : "result", "job_id" : "j" })",
        R"({'type': 'result', 'job_id': 'j', 'result': {'it': "it's"}})",
        R"({ type: 'result', job_id: 'j', result: { a: 1 } })",
        R"({"type":"result","job_id":"j","result":{"a":"cut o)",
        R"({"job_id":"j","type":"result","result":{"a":1}},)",
    };
    for (const char* line : lines) {
        const Malformed bad = broken_line(line);
        EXPECT_EQ(bad.job_id, "j") << line;
        EXPECT_TRUE(bad.ends_job()) << line;
        EXPECT_THAT(bad.reason, HasSubstr("not valid JSON at byte")) << line;
    }
    EXPECT_EQ(broken_line(R"({"job_id":"j","result":{"cut o)").job_id, "j");
    EXPECT_EQ(broken_line(R"({"type":"progress","job_id":"j","progress":"50%"})").job_id, "j");
    EXPECT_FALSE(broken_line(R"({"type":"ready"})").ends_job());
    EXPECT_EQ(broken_line(R"({"job_id":"a\"b","type":"result","result":NaN})").job_id, "a\"b");
}

TEST(BrokenMessage, ThatEndsAJobIsOneAlsoWithoutAJobId) {
    for (const char* line :
         {R"({"type":"result","result":{}})", R"({"type":"failed","error":{"code":NaN}})",
          R"({"result":{},"type":"result"})", R"({'type': 'failed'})", R"(  "type": "result",)"}) {
        const Malformed bad = broken_line(line);
        EXPECT_TRUE(bad.ends_job()) << line;
        EXPECT_EQ(bad.job_id, std::nullopt) << line;
    }
}

TEST(BrokenMessage, OverSeveralLinesIsNamedAsThat) {
    EXPECT_THAT(broken_line(R"(  "type": "ready",)").reason, HasSubstr("pretty printing"));
    EXPECT_EQ(broken_line(R"(    "type": "result")").type, "result");
}

TEST(MessageBehindText, CountsIfItIsWhole) {
    const std::string text = "loading... {1} ";
    const std::string line = text + R"({"type":"result","job_id":"j","result":{"a":1.10}})";
    const Behind found = behind(line);
    EXPECT_EQ(found.at, text.size());
    EXPECT_EQ(std::get<JobResult>(found.message).job_id, "j");
    EXPECT_EQ(std::get<JobResult>(found.message).result.text(), R"({"a":1.10})");
    EXPECT_EQ(std::get<Ready>(behind("\x1b[0m{\"type\":\"ready\",\"protocol\":1}").message).protocol, 1);
    const std::string mixed =
        R"({"type":"progress","job_id":"a","prog{"type":"result","job_id":"b","result":{}})";
    EXPECT_EQ(broken_line(mixed).job_id, "a");
    const auto rest = message_behind(mixed);
    ASSERT_TRUE(rest && std::holds_alternative<Behind>(*rest)) << "two threads";
    EXPECT_EQ(std::get<JobResult>(std::get<Behind>(*rest).message).job_id, "b");
}

TEST(MessageBehindText, ThatIsNotWholeIsNamedWithTheTextAndItsJob) {
    const Malformed trailing = broken_line(R"(sent {"type":"result","job_id":"j","result":{}} to it)");
    EXPECT_EQ(trailing.job_id, "j");
    EXPECT_EQ(trailing.at, 5u);
    EXPECT_THAT(trailing.reason,
                AllOf(HasSubstr("a print without a line break stands before this result (\"sent \")"),
                      HasSubstr("no whole message")));
    const Malformed broken = broken_line(R"(50%{"type":"result","job_id":"j","result":{"a":NaN}})");
    EXPECT_EQ(broken.job_id, "j");
    EXPECT_THAT(broken.reason, HasSubstr("NaN"));
    EXPECT_TRUE(broken_line(R"(50%{"type":"failed","error":{}})").ends_job());
    EXPECT_THAT(broken_line(R"(x{"type":"ready"})").reason, HasSubstr("before this ready"));
}

TEST(MessageBehindText, IsLookedForAtAFewPlacesOnly) {
    std::string line;
    for (int place = 0; place < 100'000; ++place)
        line += R"({"a":[)";
    stray("x" + line);
    std::string many;
    for (int place = 0; place < 20; ++place)
        many += R"({"a" )";
    stray("x" + many + R"({"type":"pong","id":1})");
}

TEST(MessageBehindText, MayBeLongButNotItsText) {
    const std::string message =
        R"({"type":"result","job_id":"j","result":{"data":")" + std::string(1'000'000, 'x') + "\"}}";
    EXPECT_EQ(std::get<JobResult>(behind("50% " + message).message).job_id, "j");
    stray(std::string(70'000, '.') + message);
}

TEST(Looks, FindNothingInTextAndEndAtAnyPlace) {
    const std::string whole =
        R"({'type': "result", job_id: `j`, "result": {"a": [1, (2), 'it\'s']}} and more)";
    EXPECT_EQ(looks_of(whole).job_id, "j");
    EXPECT_TRUE(looks_of(whole).result);
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        const Looks looks = looks_of(std::string_view(whole).substr(0, size));
        EXPECT_TRUE(!looks.type || *looks.type == "result");
        EXPECT_TRUE(!looks.job_id || *looks.job_id == "j");
    }
    EXPECT_EQ(looks_of("type: result").type, std::nullopt);
    EXPECT_EQ(looks_of(R"({"a":{"type":"result"}})").type, std::nullopt) << "of another object";
    EXPECT_EQ(looks_of(R"({,,]]"type":"x"})").type, std::nullopt);
}

}  // namespace
}  // namespace emprops::ipc
