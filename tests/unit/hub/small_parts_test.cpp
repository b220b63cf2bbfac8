// Chunk assembly, refusal cache, reconnect policy, what the announcer keeps in mind.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "ipc/web/digest.h"
#include "supervisor/hub/announcer.h"
#include "supervisor/hub/chunk_assembly.h"
#include "supervisor/hub/reconnect_policy.h"
#include "supervisor/hub/refusal_cache.h"

namespace emprops::hub {
namespace {

const TimePoint start = TimePoint{} + std::chrono::hours(1);

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
        ChunkAssembly assembly(1 << 20, Ms(1000));
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
    ChunkAssembly assembly(1 << 20, Ms(1000));
    auto chunks = cut("hello world", 2, "A");
    chunks[1].content[0] = '#';
    EXPECT_FALSE(assembly.add(start, chunks[0]).message);
    const auto outcome = assembly.add(start, chunks[1]);
    EXPECT_FALSE(outcome.message);
    EXPECT_THAT(outcome.dropped, testing::ElementsAre(testing::HasSubstr("job_assigned of job j-A")));
    EXPECT_EQ(assembly.bytes(), 0u);
}

TEST(ChunkAssembly, ChunksThatContradictEachOtherEndTheMessage) {
    ChunkAssembly assembly(1 << 20, Ms(1000));
    assembly.add(start, cut("hello", 2, "A")[0]);
    EXPECT_EQ(assembly.add(start, cut("hello", 3, "A")[1]).dropped.size(), 1u);
    EXPECT_EQ(assembly.messages(), 0u);
}

TEST(ChunkAssembly, WhatIsNeverCompletedIsGivenUpInTime) {
    ChunkAssembly assembly(1 << 20, Ms(1000));
    assembly.add(start, cut("hello", 2, "A")[0]);
    EXPECT_EQ(assembly.next_expiry(), start + Ms(1000));
    EXPECT_THAT(assembly.expire(start + Ms(999)), testing::IsEmpty());
    EXPECT_THAT(assembly.expire(start + Ms(1000)), testing::ElementsAre(testing::HasSubstr("1 of 2 chunks")));
    EXPECT_EQ(assembly.bytes(), 0u);
}

TEST(ChunkAssembly, MemoryStaysBoundedAndTheLongestWaitingGoesFirst) {
    ChunkAssembly assembly(10'000, Ms(1000));
    for (int i = 0; i < 1000; ++i) {
        assembly.add(start + Ms(i), cut(std::string(4000, 'x'), 2, std::to_string(i))[0]);
        EXPECT_LE(assembly.bytes(), 10'000u);
    }
    const auto last = assembly.add(start + Ms(2000), cut(std::string(4000, 'x'), 2, "999")[1]);
    EXPECT_TRUE(last.message) << "the newest one survived";
}

TEST(ChunkAssembly, AFloodOfEmptyPiecesIsBoundedToo) {
    ChunkAssembly assembly(10'000, Ms(1000));
    std::size_t dropped = 0;
    for (std::uint64_t i = 0; i < 10'000; ++i)
        dropped += assembly.add(start, Chunk{"A", "", "t", "j", i, 1'000'000'000, ""}).dropped.size();
    EXPECT_GT(dropped, 0u);
    EXPECT_LE(assembly.bytes(), 10'000u);
}

TEST(RefusalCache, RemembersForAWhileAndCounts) {
    RefusalCache cache(Ms(60'000));
    EXPECT_FALSE(cache.contains(start, "j"));
    EXPECT_EQ(cache.add(start, "j"), 1);
    EXPECT_TRUE(cache.contains(start + Ms(59'999), "j"));
    EXPECT_FALSE(cache.contains(start + Ms(60'000), "j"));
    EXPECT_EQ(cache.add(start + Ms(60'000), "j"), 2);
    EXPECT_EQ(cache.add(start + std::chrono::hours(5), "j"), 1);
    cache.forget("j");
    EXPECT_EQ(cache.add(start, "j"), 1);
}

TEST(RefusalCache, IsBoundedAndForgetsTheOldestFirst) {
    RefusalCache cache(Ms(60'000), 3);
    for (int i = 0; i < 5; ++i)
        cache.add(start + Ms(i), std::to_string(i));
    EXPECT_FALSE(cache.contains(start + Ms(5), "0"));
    EXPECT_TRUE(cache.contains(start + Ms(5), "4"));
}

TEST(Announcer, AJobTypeThatHasGoneIsNotRememberedForEver) {
    Announcer announcer;
    jobs::Capacity capacity;
    Announcer::Situation situation;
    situation.capacity = &capacity;
    announcer.on_connected(start, situation);
    for (int i = 0; i < 5000; ++i) {
        const std::string type = "t" + std::to_string(i);
        capacity.job_types = {type};
        capacity.free_slots = {{type, 1}};
        const auto told = announcer.decide(start + Ms(i * 10), situation);
        ASSERT_TRUE(told.registration) << i;
        EXPECT_EQ(told.registration->job_types, std::vector<std::string>{type});
    }
    EXPECT_LE(announcer.remembered_types(), 2000u);
}

TEST(ReconnectPolicy, DoublesUpToTheLimitAndStaysInIt) {
    ReconnectPolicy policy(Ms(1000), Ms(60'000));
    for (const int bound : {2000, 4000, 8000, 16'000, 32'000, 60'000, 60'000}) {
        ReconnectPolicy low = policy;
        EXPECT_EQ(low.next(0.0), Ms(1000));
        const Ms high = policy.next(0.9999999);
        EXPECT_LE(high, Ms(bound));
        EXPECT_GE(high, Ms(bound - 2));
    }
    for (int i = 0; i < 200; ++i)
        EXPECT_LE(policy.next(1.0), Ms(60'000));
    policy.reset();
    EXPECT_LE(policy.next(1.0), Ms(2000));
}

}  // namespace
}  // namespace emprops::hub
