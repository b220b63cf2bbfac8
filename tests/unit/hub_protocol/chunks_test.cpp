// Long messages: cut into chunks by the hub, joined by the worker.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "ipc/hub/chunk_assembly.h"
#include "ipc/hub/chunking.h"
#include "ipc/hub/codec.h"
#include "ipc/web/digest.h"

namespace emprops::hub {
namespace {

using std::chrono::milliseconds;
const auto start = TimePoint{} + std::chrono::hours(1);

TEST(Chunking, AMessageAtTheLimitIsOneFrame) {
    EXPECT_EQ(to_frames("12345", "job_available", "j", 5), std::vector<std::string>{"12345"});
    EXPECT_EQ(to_frames("\xC3\xA4\xC3\xA4", "t", "j", 2).size(), 1U);  // characters count, not bytes
}

TEST(Chunking, PiecesJoinToTheMessageAndNoCharacterIsSplit) {
    const std::string text =
        "\"a\\\xF0\x9F\x98\x80\xC3\xA4\xE2\x82\xAC"
        "b\"";
    const auto frames = to_frames(text, "job_assigned", "j", 2);
    ASSERT_EQ(frames.size(), 4U);
    std::string joined;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const auto chunk = Json::parse(frames[i]);  // throws on a split character
        EXPECT_EQ(chunk["type"], "chunked_message");
        EXPECT_EQ(chunk["chunk_id"], i);
        EXPECT_EQ(chunk["total_chunks"], 4);
        EXPECT_EQ(chunk["original_type"], "job_assigned");
        EXPECT_EQ(chunk["job_id"], "j");
        EXPECT_EQ(chunk["message_hash"], md5_hex(text));
        EXPECT_TRUE(chunk["message_id"].get<std::string>().starts_with(md5_hex(text).substr(0, 8) + "-"));
        joined += chunk["content"].get<std::string>();
    }
    EXPECT_EQ(joined, text);
}

std::vector<Chunk> cut(const std::string& text, std::size_t pieces, const std::string& id) {
    std::vector<Chunk> chunks;
    const std::size_t size = (text.size() + pieces - 1) / pieces;
    for (std::size_t i = 0; i < pieces; ++i)
        chunks.push_back(
            {id, md5_hex(text), "job_assigned", "j-" + id, i, pieces, text.substr(i * size, size)});
    return chunks;
}

TEST(ChunkAssembly, InterleavedDuplicatedAndOutOfOrderChunksGiveEachMessageOnce) {
    std::mt19937 random(7);
    for (int round = 0; round < 50; ++round) {
        ChunkAssembly assembly(1 << 20, milliseconds(1000));
        const std::string a(1000 + static_cast<std::size_t>(round), 'a');
        const std::string b(777, 'b');
        std::vector<Chunk> all;
        for (const auto& chunks : {cut(a, 7, "A"), cut(b, 5, "B"), cut(a, 7, "A")})
            all.insert(all.end(), chunks.begin(), chunks.end());
        std::shuffle(all.begin(), all.end(), random);
        std::vector<std::string> whole;
        for (auto& chunk : all)
            if (auto outcome = assembly.add(start, chunk); outcome.message) whole.push_back(*outcome.message);
        // The duplicates may complete a second time when all of them come after the first completion.
        EXPECT_THAT(whole, testing::IsSupersetOf({a, b}));
        EXPECT_LE(whole.size(), 3u);
    }
}

TEST(ChunkAssembly, AMessageWithAWrongHashIsDroppedAndNamed) {
    ChunkAssembly assembly(1 << 20, milliseconds(1000));
    auto chunks = cut("hello world", 2, "A");
    chunks[1].content[0] = '#';
    EXPECT_FALSE(assembly.add(start, chunks[0]).message);
    const auto outcome = assembly.add(start, chunks[1]);
    EXPECT_FALSE(outcome.message);
    EXPECT_THAT(outcome.dropped, testing::ElementsAre(testing::HasSubstr("job_assigned of job j-A")));
    EXPECT_EQ(assembly.bytes(), 0u);
}

TEST(ChunkAssembly, ChunksThatContradictEachOtherEndTheMessage) {
    ChunkAssembly assembly(1 << 20, milliseconds(1000));
    assembly.add(start, cut("hello", 2, "A")[0]);
    EXPECT_EQ(assembly.add(start, cut("hello", 3, "A")[1]).dropped.size(), 1u);
    EXPECT_EQ(assembly.messages(), 0u);
}

TEST(ChunkAssembly, WhatIsNeverCompletedIsGivenUpInTime) {
    ChunkAssembly assembly(1 << 20, milliseconds(1000));
    assembly.add(start, cut("hello", 2, "A")[0]);
    EXPECT_EQ(assembly.next_expiry(), start + milliseconds(1000));
    EXPECT_THAT(assembly.expire(start + milliseconds(999)), testing::IsEmpty());
    EXPECT_THAT(assembly.expire(start + milliseconds(1000)),
                testing::ElementsAre(testing::HasSubstr("1 of 2 chunks")));
    EXPECT_EQ(assembly.bytes(), 0u);
}

TEST(ChunkAssembly, MemoryStaysBoundedAndTheLongestWaitingGoesFirst) {
    ChunkAssembly assembly(10'000, milliseconds(1000));
    for (int i = 0; i < 1000; ++i) {
        assembly.add(start + milliseconds(i), cut(std::string(4000, 'x'), 2, std::to_string(i))[0]);
        EXPECT_LE(assembly.bytes(), 10'000u);
    }
    const auto last = assembly.add(start + milliseconds(2000), cut(std::string(4000, 'x'), 2, "999")[1]);
    EXPECT_TRUE(last.message) << "the newest one survived";
}

TEST(ChunkAssembly, AFloodOfEmptyPiecesIsBoundedToo) {
    ChunkAssembly assembly(10'000, milliseconds(1000));
    std::size_t dropped = 0;
    for (std::uint64_t i = 0; i < 10'000; ++i)
        dropped += assembly.add(start, Chunk{"A", "", "t", "j", i, 1'000'000'000, ""}).dropped.size();
    EXPECT_GT(dropped, 0u);
    EXPECT_LE(assembly.bytes(), 10'000u);
}

TEST(ChunkAssembly, AFloodOfMessagesIsBoundedInNumberAndInWork) {
    ChunkAssembly assembly(std::size_t{256} << 20, milliseconds(300'000));
    for (int i = 0; i < 200'000; ++i) {
        Chunk chunk{std::to_string(i), "", "t", "j", 0, 2, "x"};
        const auto outcome = assembly.add(start + milliseconds(i), std::move(chunk));
        EXPECT_LE(outcome.dropped.size(), 1u);
        ASSERT_LE(assembly.messages(), ChunkAssembly::most_messages);
    }
    const auto last = assembly.add(start + milliseconds(300'000), Chunk{"199999", "", "t", "j", 1, 2, "y"});
    EXPECT_EQ(last.message, "xy") << "the newest one survived";
}

TEST(Chunks, WhatAHubCutsAWorkerJoins) {
    std::string text = R"({"type":"job_assigned","job_id":"j","params":{"text":")";
    for (int i = 0; i < 3000; ++i)
        text += i % 3 == 0 ? "\xF0\x9F\x98\x80" : i % 3 == 1 ? "\\n" : "x";
    text += "\"}}";
    ChunkAssembly assembly(1 << 20, milliseconds(1000));
    std::optional<std::string> whole;
    for (const auto& frame : to_frames(text, "job_assigned", "j", 100)) {
        ASSERT_FALSE(whole);
        const auto decoded = decode_hub_frame(frame);
        ASSERT_TRUE(std::holds_alternative<Chunk>(decoded)) << frame;
        whole = assembly.add(start, std::get<Chunk>(decoded)).message;
    }
    EXPECT_EQ(whole, text);
    EXPECT_EQ(assembly.bytes(), 0U);
}

TEST(Chunks, AnOfferIsKnownByItsFirstPieceAndTheOthersAreNotRead) {
    const std::string payload = R"({"text":")" + std::string(40'000, 'x') + R"(\n\"\u00e4"})";
    const auto frames =
        to_frames(encode_offer(1, "job-1", "a \"type\"", 3, payload), "job_available", "job-1", 20'000);
    ASSERT_EQ(frames.size(), 3u);
    const auto offer = decode_hub_frame(frames[0]);
    ASSERT_TRUE(std::holds_alternative<Offer>(offer));
    EXPECT_EQ(std::get<Offer>(offer).job_id, "job-1");
    EXPECT_EQ(std::get<Offer>(offer).job_type, "a \"type\"");
    EXPECT_EQ(std::get<Offer>(offer).bad, "");
    for (const std::size_t other : {1u, 2u})
        EXPECT_EQ(std::get<Chunk>(decode_hub_frame(frames[other])).content, "");
}

TEST(Chunks, AnOfferWhosePiecesBeginWithThePayloadIsNamed) {
    const std::string text = R"({"type":"job_available","job_request_payload":{"a":")" +
                             std::string(100, 'x') + R"("},"job_id":"j","job_type":"t"})";
    const auto frame = decode_hub_frame(to_frames(text, "job_available", "j", 60)[0]);
    ASSERT_TRUE(std::holds_alternative<Offer>(frame)) << "claimed, it can be failed with the reason";
    EXPECT_EQ(std::get<Offer>(frame).job_id, "j");
    EXPECT_THAT(std::get<Offer>(frame).bad, testing::HasSubstr("job_available: no job_id"));
}

}  // namespace
}  // namespace emprops::hub
