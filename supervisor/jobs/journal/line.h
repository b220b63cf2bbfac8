#pragma once
// One record of the journal as a line, and the lines of a segment. Pure functions.
//
//   {"crc32c":"9ae0daaf","length":118,"sequence":17,"number":4294967297,"state":"removed"}
//
// One line of JSON each, readable with any JSON tool. The checksum (CRC-32C, RFC 3720) covers every byte after its own
// closing quote and comma, the newline included; `length` is that of the whole line in bytes. `sequence` grows from
// record to record over all segments; `number` is the assignment's. What follows them (`members`) is the ledger's. A
// segment is a file of zeros that is overwritten from its beginning: behind the last line stands a zero.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace emprops::jobs::journal {

/// CRC-32C of the bytes.
std::uint32_t checksum(std::string_view bytes);
/// Eight hex digits.
std::string checksum_text(std::uint32_t sum);

/// `members`: `"a":1,"b":2`, without a line break.
std::string encode_line(std::uint64_t sequence, std::uint64_t number, std::string_view members);

struct Line {
    std::uint64_t sequence = 0;
    std::uint64_t number = 0;
    std::string_view members;
    std::size_t offset = 0, size = 0;  ///< in the segment
};
/// Bytes that are no line, and have one behind them or end like one.
struct Damage {
    std::size_t offset = 0, size = 0;
};
struct Scan {
    std::vector<Line> lines;  ///< views into the segment
    std::vector<Damage> damages;
    std::size_t end = 0;  ///< behind the last line
};

/// The lines in their order; each has a greater sequence than `after` and the one before it. What is damaged is skipped
/// to the next line. A line that was cut off at the end by a kill or a power cut is no damage: nobody has acted on it.
Scan scan_segment(std::string_view segment, std::uint64_t after);

}  // namespace emprops::jobs::journal
