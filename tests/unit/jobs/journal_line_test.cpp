// Lines of the journal, and what is read out of a segment of which parts are damaged or missing.

#include "supervisor/jobs/journal/line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/crc.hpp>
#include <nlohmann/json.hpp>

namespace emprops::jobs::journal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

struct Segment {
    std::string bytes;
    std::vector<std::size_t> starts;

    explicit Segment(int lines) {
        for (int i = 0; i < lines; ++i) {
            starts.push_back(bytes.size());
            const auto sequence = static_cast<std::uint64_t>(10 + i);
            bytes += encode_line(sequence, sequence * 7, R"("state":"assigned","i":)" + std::to_string(i));
        }
        bytes += std::string(500, '\0');
    }
};

std::vector<std::uint64_t> sequences(const Scan& scan) {
    std::vector<std::uint64_t> result;
    for (const Line& line : scan.lines)
        result.push_back(line.sequence);
    return result;
}

TEST(JournalLine, TheChecksumIsCrc32C) {
    EXPECT_EQ(checksum("123456789"), 0xE3069283u);  // RFC 3720, appendix B.4 has the polynomial's vectors
    EXPECT_EQ(checksum(std::string(32, '\0')), 0x8A9136AAu);
    // However it is computed here: the same of any length, as another machine would.
    std::string text;
    for (int i = 0; i < 300; ++i) {
        boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> bytewise;
        bytewise.process_bytes(text.data(), text.size());
        EXPECT_EQ(checksum(text), bytewise.checksum()) << i;
        text += static_cast<char>(i * 37);
    }
    EXPECT_EQ(checksum_text(0xAB), "000000ab");
}

TEST(JournalLine, IsJsonThatSaysItsOwnLengthWhateverThatIs) {
    for (std::size_t size = 0; size < 1100; ++size) {
        const std::string members = size < 6 ? "" : R"("a":")" + std::string(size - 6, 'x') + "\"";
        const std::string line = encode_line(1, 2, members);
        const auto json = nlohmann::json::parse(line);
        ASSERT_EQ(json.at("length"), line.size());
        const Scan scan = scan_segment(line, 0);
        ASSERT_THAT(scan.lines, SizeIs(1)) << line;
        ASSERT_EQ(scan.lines[0].members, members);
        ASSERT_EQ(scan.lines[0].number, 2u);
    }
}

TEST(JournalScan, EndsWhereTheZerosBegin) {
    const Segment segment(4);
    const Scan scan = scan_segment(segment.bytes, 0);
    EXPECT_THAT(sequences(scan), ElementsAre(10, 11, 12, 13));
    EXPECT_THAT(scan.damages, IsEmpty());
    EXPECT_EQ(scan.end, segment.bytes.size() - 500);
}

TEST(JournalScan, OneFlippedBitCostsOneRecordWhereverItIs) {
    const Segment segment(4);
    const std::size_t end = segment.bytes.size() - 500;
    for (std::size_t at = 0; at < end; ++at) {
        std::string bytes = segment.bytes;
        bytes[at] = static_cast<char>(bytes[at] ^ 4);
        const Scan scan = scan_segment(bytes, 0);
        ASSERT_THAT(scan.lines, SizeIs(3)) << at;
        const bool last_end = at + 1 == end;  // then it looks as if it had been cut off
        ASSERT_THAT(scan.damages, SizeIs(last_end ? 0 : 1)) << at;
    }
}

TEST(JournalScan, WhatWasCutOffAtTheEndIsNoDamage) {
    const Segment segment(3);
    for (std::size_t size = segment.starts[2]; size + 1 < segment.bytes.size() - 500; ++size) {
        std::string bytes = segment.bytes.substr(0, size);
        bytes.resize(segment.bytes.size(), '\0');
        const Scan scan = scan_segment(bytes, 0);
        ASSERT_THAT(sequences(scan), ElementsAre(10, 11)) << size;
        ASSERT_THAT(scan.damages, IsEmpty()) << size;
    }
}

TEST(JournalScan, ARecordThatNeverCameIsSkippedToTheNext) {
    Segment segment(4);
    segment.bytes.replace(segment.starts[1], segment.starts[2] - segment.starts[1],
                          std::string(segment.starts[2] - segment.starts[1], '\0'));
    EXPECT_THAT(sequences(scan_segment(segment.bytes, 0)), ElementsAre(10, 12, 13));
}

TEST(JournalScan, APayloadThatLooksLikeALineIsNone) {
    const std::string inner = encode_line(11, 99, R"("state":"removed"})");  // what a client could send
    std::string outer =
        encode_line(10, 1, R"("state":"assigned","payload":{"a":)" + inner.substr(0, inner.size() - 2));
    ASSERT_THAT(sequences(scan_segment(outer, 0)), ElementsAre(10));
    outer[2] = '#';
    EXPECT_THAT(sequences(scan_segment(outer, 0)), IsEmpty());
}

TEST(JournalScan, SequencesNeverGoBack) {
    const std::string bytes = encode_line(5, 1, "") + encode_line(4, 1, "") + encode_line(6, 1, "");
    EXPECT_THAT(sequences(scan_segment(bytes, 0)), ElementsAre(5, 6));
    EXPECT_THAT(sequences(scan_segment(bytes, 5)), ElementsAre(6));
    EXPECT_THAT(sequences(scan_segment(bytes, 6)), IsEmpty());
}

}  // namespace
}  // namespace emprops::jobs::journal
