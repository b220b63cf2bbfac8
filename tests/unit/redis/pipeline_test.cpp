// Commands to bytes, bytes to answers, whatever the pieces in which they come.

#include "supervisor/redis/wire/pipeline.h"

#include <gtest/gtest.h>

namespace emprops::redis {
namespace {

using Kind = Reply::Kind;

struct Asked {
    Pipeline pipeline;
    std::vector<Reply> replies;

    explicit Asked(PipelineLimits limits = {}) : pipeline(limits) {}
    void ask(int count = 1) {
        while (count-- > 0)
            pipeline.ask({"PING"}, [this](Reply reply) { replies.push_back(std::move(reply)); });
    }
};

TEST(Pipeline, ACommandIsAListOfWordsWhateverIsInThem) {
    Pipeline pipeline;
    const auto nothing = [](const Reply&) {};
    EXPECT_EQ(pipeline.ask({"SET", "a b", std::string("\r\n\0x", 4)}, nothing),
              std::string("*3\r\n$3\r\nSET\r\n$3\r\na b\r\n$4\r\n\r\n\0x\r\n", 32));
    EXPECT_EQ(pipeline.subscribe({"x"}), "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nx\r\n");
}

TEST(Pipeline, AnswersComeInTheirOrderInAnyPieces) {
    const std::string bytes =
        "+OK\r\n:-5\r\n$-1\r\n*2\r\n$3\r\na\r\n\r\n*1\r\n$1\r\nb\r\n-ERR no\r\n*-1\r\n*0\r\n";
    for (std::size_t step = 1; step <= bytes.size(); ++step) {
        Asked asked;
        asked.ask(7);
        for (std::size_t at = 0; at < bytes.size(); at += step)
            ASSERT_TRUE(asked.pipeline.take(bytes.substr(at, step)).ok());
        ASSERT_EQ(asked.replies.size(), 7u) << step;
        EXPECT_EQ(asked.replies[0].text, "OK");
        EXPECT_EQ(asked.replies[1].number, -5);
        EXPECT_TRUE(asked.replies[2].is_nil());
        EXPECT_EQ(asked.replies[3].at(0), "a\r\n");
        EXPECT_EQ(asked.replies[3].list[1].at(0), "b");
        EXPECT_TRUE(asked.replies[4].is_error("ERR"));
        EXPECT_TRUE(asked.replies[5].is_nil());
        EXPECT_EQ(asked.replies[6].kind, Kind::list);
    }
}

TEST(Pipeline, WhatIsPushedIsNobodysAnswer) {
    Asked asked;
    asked.ask();
    asked.pipeline.subscribe({"c"});
    const auto pushed = asked.pipeline.take(
        "+OK\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n");
    ASSERT_TRUE(pushed.ok());
    ASSERT_EQ(pushed->size(), 1u);
    EXPECT_EQ(pushed->front().channel, "c");
    EXPECT_EQ(pushed->front().text, "hi");
    EXPECT_EQ(asked.replies.size(), 1u);
    EXPECT_FALSE(asked.pipeline.take("-NOPERM no\r\n").ok()) << "an error that nobody asked for";
}

/// Ids of jobs are their clients': none of them makes an answer something else.
TEST(Pipeline, AnAnswerThatLooksLikeAMessageIsAnAnswer) {
    for (const char* word : {"message", "subscribe", "unsubscribe", "pmessage"}) {
        Asked asked;
        asked.ask(2);
        const std::string size = std::to_string(std::string(word).size());
        const auto pushed =
            asked.pipeline.take("*3\r\n$" + size + "\r\n" + word + "\r\n$1\r\nb\r\n$1\r\nc\r\n:7\r\n");
        ASSERT_TRUE(pushed.ok()) << word;
        EXPECT_TRUE(pushed->empty()) << word;
        ASSERT_EQ(asked.replies.size(), 2u) << word;
        EXPECT_EQ(asked.replies[0].at(0), word);
        EXPECT_EQ(asked.replies[1].number, 7) << word;
    }
}

TEST(Pipeline, TheNextConnectionSubscribesAnew) {
    Asked asked;
    asked.pipeline.subscribe({"c"});
    asked.pipeline.lose("gone");
    asked.ask();
    ASSERT_TRUE(asked.pipeline.take("*3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$1\r\nc\r\n").ok());
    EXPECT_EQ(asked.replies.size(), 1u);
}

TEST(Pipeline, WhatIsTooLargeOrNoRespEndsTheConversation) {
    for (const char* bad :
         {"hello\r\n", "*x\r\n", "$99999999999999999999\r\n", "*1000000000\r\n", ":1x\r\n"}) {
        Asked asked;
        asked.ask();
        EXPECT_FALSE(asked.pipeline.take(bad).ok()) << bad;
        EXPECT_EQ(asked.replies.size(), 0u);
    }
    Asked small({100, 4});
    small.ask();
    EXPECT_TRUE(small.pipeline.take("$1000\r\n").ok());
    EXPECT_FALSE(small.pipeline.take(std::string(200, 'x')).ok());
    Asked few({1000, 4});
    few.ask();
    EXPECT_FALSE(few.pipeline.take("*2\r\n*2\r\n:1\r\n:2\r\n*2\r\n:3\r\n:4\r\n").ok()) << "seven elements";
}

TEST(Pipeline, ALostConnectionAnswersAllAndTheNextOneBegins) {
    Asked asked;
    asked.ask(2);
    ASSERT_TRUE(asked.pipeline.take("$10\r\nhalf").ok());
    asked.pipeline.lose("gone");
    ASSERT_EQ(asked.replies.size(), 2u);
    EXPECT_TRUE(asked.replies[1].is_lost());
    EXPECT_EQ(asked.replies[1].text, "gone");
    asked.ask();
    ASSERT_TRUE(asked.pipeline.take("+fresh\r\n").ok());
    EXPECT_EQ(asked.replies[2].text, "fresh");
}

TEST(Pipeline, AnAnswerMayAskFurther) {
    Pipeline pipeline;
    std::string second;
    pipeline.ask({"A"}, [&](const Reply&) { pipeline.ask({"B"}, [&](const Reply& r) { second = r.text; }); });
    ASSERT_TRUE(pipeline.take("+1\r\n+2\r\n").ok());
    EXPECT_EQ(second, "2");
}

}  // namespace
}  // namespace emprops::redis
