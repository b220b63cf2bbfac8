#include "ipc/line_framer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace emprops::ipc {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

/// A framer and everything it reported.
struct Recorder {
    explicit Recorder(std::size_t limit, Returns returns = Returns::kept) : framer(limit, returns) {}

    Recorder& feed(std::string_view bytes, bool cut = false) {
        framer.feed(bytes, sink, cut);
        return *this;
    }
    Recorder& finish() {
        framer.finish(sink);
        return *this;
    }

    LineFramer framer;
    std::vector<std::string> lines;
    std::vector<std::pair<std::string, std::uint64_t>> overlong;
    std::vector<std::string> order;
    std::vector<std::string> states;
    LineFramer::Sink sink{[this](std::string_view line) {
                              lines.emplace_back(line);
                              order.emplace_back("line");
                          },
                          [this](std::string_view head, std::uint64_t size) {
                              overlong.emplace_back(head, size);
                              order.emplace_back("overlong");
                          },
                          [this](std::string_view text) { states.emplace_back(text); }};
};

TEST(LineFramer, SeveralLinesInOneBlockAreDeliveredInOrder) {
    Recorder r(100);
    r.feed("one\ntwo\nthree\n");
    EXPECT_THAT(r.lines, ElementsAre("one", "two", "three"));
    EXPECT_EQ(r.framer.buffered_bytes(), 0u);
}

TEST(LineFramer, AStreamSplitAtAnyPositionGivesTheSameLines) {
    const std::string stream =
        "{\"a\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}\r\n\n\r\nlong line here\nlast";
    Recorder whole(12);
    whole.feed(stream).finish();
    ASSERT_EQ(whole.overlong.size(), 2u);  // the first line has 19 bytes, the third 14
    for (std::size_t first = 0; first <= stream.size(); ++first) {
        for (std::size_t second = first; second <= stream.size(); ++second) {
            Recorder split(12);
            split.feed(std::string_view(stream).substr(0, first));
            split.feed(std::string_view(stream).substr(first, second - first));
            split.feed(std::string_view(stream).substr(second)).finish();
            ASSERT_EQ(split.lines, whole.lines) << first << " " << second;
            ASSERT_EQ(split.overlong, whole.overlong) << first << " " << second;
            ASSERT_EQ(split.order, whole.order) << first << " " << second;
        }
    }
}

TEST(LineFramer, ByteByByteGivesTheSameAsOneBlock) {
    const std::string stream = "a\nbb\r\nccc\n\nd";
    Recorder r(100);
    for (const char c : stream)
        r.feed(std::string_view(&c, 1));
    r.finish();
    EXPECT_THAT(r.lines, ElementsAre("a", "bb", "ccc", "d"));
}

TEST(LineFramer, CarriageReturnBeforeTheNewlineIsCutAndOthersAreKept) {
    Recorder r(100);
    r.feed("a\rb\r\nc\r").feed("\n\r\r\n");
    EXPECT_THAT(r.lines, ElementsAre("a\rb", "c", "\r"));
}

TEST(LineFramer, EmptyLinesAreNotReported) {
    Recorder r(100);
    r.feed("\n\r\n\n").feed("\r").feed("\n").finish();
    EXPECT_THAT(r.lines, IsEmpty());
}

TEST(LineFramer, NulBytesArePartOfALine) {
    Recorder r(100);
    r.feed(std::string_view("a\0b\n\0\n", 6));
    EXPECT_THAT(r.lines, ElementsAre(std::string("a\0b", 3), std::string("\0", 1)));
}

TEST(LineFramer, LastLineWithoutNewlineCountsAtTheEnd) {
    Recorder r(100);
    r.feed("one\ntw");
    EXPECT_THAT(r.lines, ElementsAre("one"));
    EXPECT_EQ(r.framer.buffered_bytes(), 2u);
    r.feed("o").finish();
    EXPECT_THAT(r.lines, ElementsAre("one", "two"));
    r.finish();
    EXPECT_EQ(r.lines.size(), 2u) << "a second end reports nothing";
}

TEST(LineFramer, LineOfExactlyTheLimitIsDelivered) {
    Recorder r(5);
    r.feed("12345\n").feed("123").feed("45\n").feed("12345").finish();
    EXPECT_THAT(r.lines, ElementsAre("12345", "12345", "12345"));
    EXPECT_THAT(r.overlong, IsEmpty());
}

TEST(LineFramer, OverlongLineIsSkippedAndTheNextOneIsDelivered) {
    Recorder r(5);
    r.feed("123456\nok\n").feed("1234").feed("56").feed("7\nfine\n");
    EXPECT_THAT(r.lines, ElementsAre("ok", "fine"));
    EXPECT_THAT(r.overlong, ElementsAre(Pair("12345", 6u), Pair("12345", 7u)));
    EXPECT_THAT(r.order, ElementsAre("overlong", "line", "overlong", "line"));
    EXPECT_EQ(r.framer.overlong_lines(), 2u);
}

TEST(LineFramer, OverlongLineIsNotBuffered) {
    Recorder r(1 << 20);
    const std::string block(64 << 10, 'x');
    for (int i = 0; i < 1000; ++i) {
        r.feed(block);
        ASSERT_LE(r.framer.buffered_bytes(), std::size_t{1} << 20);
    }
    EXPECT_EQ(r.framer.buffered_bytes(), 4096u);
    r.feed("\nnext\n");
    EXPECT_THAT(r.overlong, ElementsAre(Pair(std::string(4096, 'x'), 1000u * (64u << 10))));
    EXPECT_THAT(r.lines, ElementsAre("next"));
}

TEST(LineFramer, HeadOfAnOverlongLineBeginsWithItsFirstByteHoweverItArrived) {
    const std::string line = R"({"type":"result","job_id":"j-1","result":")" + std::string(20'000, 'y');
    for (const std::size_t step : {1u, 7u, 4096u, 9999u, 30'000u}) {
        Recorder r(10'000);
        for (std::size_t at = 0; at < line.size(); at += step)
            r.feed(std::string_view(line).substr(at, step));
        r.feed("\n");
        ASSERT_THAT(r.overlong, ElementsAre(Pair(line.substr(0, 4096), line.size()))) << step;
    }
}

TEST(LineFramer, OverlongLastLineIsReportedAtTheEndAndOnce) {
    Recorder r(3);
    r.feed("12345").finish().finish();
    EXPECT_THAT(r.overlong, ElementsAre(Pair("123", 5u)));
    EXPECT_THAT(r.lines, IsEmpty());
}

TEST(LineFramer, MemoryOfALongLineIsGivenBack) {
    Recorder r(10 << 20);
    r.feed(std::string(5 << 20, 'x')).feed("\nnext");
    EXPECT_EQ(r.framer.buffered_bytes(), 4u);
    ASSERT_EQ(r.lines.size(), 1u);
    EXPECT_EQ(r.lines[0].size(), std::size_t{5} << 20);
}

TEST(LineFramer, ASinkMayFeedNothingAndMayBeEmpty) {
    LineFramer framer(3);
    framer.feed("abc\nabcd\nab", {});
    framer.finish({});
    EXPECT_EQ(framer.overlong_lines(), 1u);
}

TEST(LineFramer, AReturnEndsTheStateOfALineThatIsWrittenOver) {
    Recorder r(100, Returns::end_lines);
    r.feed("\rmodel 1%").feed("\rmodel 2%").feed("\rmodel 3%\rmod");
    EXPECT_THAT(r.states, ElementsAre("model 1%", "model 2%", "mod")) << "the newest first";
    EXPECT_THAT(r.lines, IsEmpty());
    r.feed("el 4%\n");
    EXPECT_THAT(r.lines, ElementsAre("model 4%"));
    r.feed("a 1%\r").feed("a 2%\r").feed("next line\n").finish();
    EXPECT_THAT(r.lines, ElementsAre("model 4%", "next line"));
    EXPECT_EQ(r.states.back(), "a 2%");
}

TEST(LineFramer, AStateIsNotToldInHalvesWhereTheReadersBlockEnds) {
    for (const char* style : {"9%|x|\r", "\r9%|x|"}) {  // the return behind a state, or in front of it
        std::string stream;
        for (int i = 0; i < 50; ++i)
            stream += style;
        for (const Returns returns : {Returns::end_text, Returns::end_lines}) {
            for (std::size_t block = 1; block < 20; ++block) {
                Recorder r(100, returns);
                for (std::size_t at = 0; at < stream.size(); at += block)
                    r.feed(std::string_view(stream).substr(at, block), at + block < stream.size());
                EXPECT_THAT(r.states, Each("9%|x|")) << style << " in blocks of " << block;
                r.feed("\n");
                EXPECT_THAT(r.lines, ElementsAre("9%|x|"));
            }
        }
    }
}

TEST(LineFramer, WhatClearsALineIsNoStateOfIt) {
    Recorder r(100, Returns::end_lines);
    r.feed("\rmodel 600/600\r                \r\n\x1b[2K\rdone\r\x1b[K\n");
    EXPECT_THAT(r.lines, ElementsAre("model 600/600", "done"));
}

TEST(LineFramer, TheNewestStateCountsAsALineAtTheEnd) {
    Recorder died(100, Returns::end_lines);
    died.feed("\r1/3\r2/3\r3/3").finish();
    EXPECT_THAT(died.lines, ElementsAre("3/3"));
    Recorder other(100, Returns::end_lines);
    other.feed("1/3\r2/3\r3/3\r").finish().finish();
    EXPECT_THAT(other.lines, ElementsAre("3/3"));
}

TEST(LineFramer, CrlfIsOneLineEndWhereReturnsEndLines) {
    for (const Returns returns : {Returns::end_lines, Returns::end_text}) {
        Recorder r(5, returns);
        r.feed("a\r\n\r\nb\r").feed("\nc\r\r\n12345\r\n123456\r").feed("\n");
        EXPECT_THAT(r.lines, ElementsAre("a", "b", "c", "12345"));
        EXPECT_THAT(r.overlong, ElementsAre(Pair("12345", 6u)));
    }
}

TEST(LineFramer, AReturnIsWhiteSpaceInAMessageAndEndsTextInFrontOfIt) {
    const std::string message = "{\"type\":\"result\",\r\"job_id\":\"j\",\r\n";
    Recorder r(100, Returns::end_text);
    r.feed(message).feed("50%\r100%\r" + message).feed("{1, 2}\r{3}\n");
    const std::string whole = "{\"type\":\"result\",\r\"job_id\":\"j\",";
    EXPECT_THAT(r.lines, ElementsAre(whole, "100%", whole, "{3}"));
    EXPECT_THAT(r.states, IsEmpty());
    r.feed("7%\r{\"type\":");
    EXPECT_THAT(r.states, ElementsAre("7%")) << "the beginning of a message is none";
}

TEST(LineFramer, LinesThatAreWrittenOverAreTheSameWhereverTheStreamIsSplit) {
    const std::string longer(80, 'y');
    const std::string streams[] = {
        "1%\r2%\r\n\r\n\r 3%\r  \r\nx\r{\"a\":\r1}\r\n" + longer + "\rlast",
        "\r{\"a\":1}\n{\r'a'\rb\n \xef\xbb\xbf{ \"long\r\": \"" + longer + "\"}\r\n" + longer + "\r\n\xef\rz",
    };
    for (const Returns returns : {Returns::kept, Returns::end_text, Returns::end_lines}) {
        for (const std::string& stream : streams) {
            Recorder whole(70, returns);
            whole.feed(stream).finish();
            for (std::size_t first = 0; first <= stream.size(); ++first) {
                for (std::size_t second = first; second <= stream.size(); ++second) {
                    Recorder split(70, returns);
                    split.feed(std::string_view(stream).substr(0, first));
                    split.feed(std::string_view(stream).substr(first, second - first));
                    split.feed(std::string_view(stream).substr(second)).finish();
                    ASSERT_EQ(split.lines, whole.lines) << first << " " << second;
                    ASSERT_EQ(split.overlong, whole.overlong) << first << " " << second;
                }
            }
        }
    }
}

TEST(LineFramer, AFloodOfStatesNeedsNoMemory) {
    Recorder r(1000, Returns::end_lines);
    for (int i = 0; i < 10'000; ++i)
        r.feed("\rstate " + std::to_string(i) + std::string(static_cast<std::size_t>(i % 100), '.'));
    EXPECT_LE(r.framer.buffered_bytes(), 300u);
    EXPECT_THAT(r.overlong, IsEmpty());
    EXPECT_LE(r.states.size(), 10'000u);
}

}  // namespace
}  // namespace emprops::ipc
