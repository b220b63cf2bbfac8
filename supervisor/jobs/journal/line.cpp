#include "supervisor/jobs/journal/line.h"

#include <algorithm>
#include <boost/crc.hpp>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>

namespace emprops::jobs::journal {
namespace {

constexpr std::string_view before_sum = R"({"crc32c":")";
constexpr std::size_t sum_digits = 8;
constexpr std::string_view after_sum = R"(",)";
constexpr std::size_t covered_from = before_sum.size() + sum_digits + after_sum.size();

#if defined(__x86_64__)
/// The instruction is made for this sum; payloads of megabytes go through it.
__attribute__((target("sse4.2"))) std::uint32_t checksum_by_instruction(std::string_view bytes) {
    std::uint64_t sum = 0xFFFFFFFF;
    std::uint64_t word = 0;
    for (; bytes.size() >= sizeof word; bytes.remove_prefix(sizeof word)) {
        std::memcpy(&word, bytes.data(), sizeof word);
        sum = __builtin_ia32_crc32di(sum, word);
    }
    auto last = static_cast<std::uint32_t>(sum);
    for (const char byte : bytes)
        last = __builtin_ia32_crc32qi(last, static_cast<unsigned char>(byte));
    return ~last;
}
#endif

/// Takes `word` off the front.
bool take(std::string_view& text, std::string_view word) {
    if (!text.starts_with(word)) return false;
    text.remove_prefix(word.size());
    return true;
}

bool take(std::string_view& text, std::uint64_t& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

/// Takes the head's length off the front of what follows the checksum.
bool take_length(std::string_view& rest, std::uint64_t& length) {
    return take(rest, after_sum) && take(rest, R"("length":)") && take(rest, length);
}

std::optional<Line> line_at(std::string_view segment, std::size_t offset, std::uint64_t after) {
    std::string_view text = segment.substr(std::min(offset, segment.size()));
    if (text.size() < covered_from || !text.starts_with(before_sum)) return {};
    const std::string_view sum = text.substr(before_sum.size(), sum_digits);
    std::string_view rest = text.substr(before_sum.size() + sum_digits);
    Line line;
    std::uint64_t length = 0;
    if (!take_length(rest, length)) return {};
    if (!take(rest, R"(,"sequence":)") || !take(rest, line.sequence)) return {};
    if (!take(rest, R"(,"number":)") || !take(rest, line.number)) return {};
    const auto head = static_cast<std::size_t>(rest.data() - text.data());
    if (length > text.size() || length < head + 2 || line.sequence <= after) return {};
    text = text.substr(0, length);
    if (!text.ends_with("}\n")) return {};
    if (sum != checksum_text(checksum(text.substr(covered_from)))) return {};
    line.members = text.substr(head, length - head - 2);
    if (!line.members.empty() && !take(line.members, ",")) return {};
    line.offset = offset;
    line.size = length;
    return line;
}

/// The next line behind the damaged one at `offset`: where that one ends by its own word, else at the end of another one
/// or of zeros. Not anywhere, since a client's payload may look like a line.
std::optional<Line> next_line(std::string_view segment, std::size_t offset, std::uint64_t after) {
    std::string_view rest = segment.substr(std::min(offset + before_sum.size() + sum_digits, segment.size()));
    if (std::uint64_t length = 0; take_length(rest, length) && length < segment.size()) {
        if (auto line = line_at(segment, offset + length, after)) return line;
    }
    while ((offset = segment.find(before_sum, offset + 1)) != std::string_view::npos) {
        const char before = segment[offset - 1];
        if (before != '\n' && before != '\0') continue;
        if (auto line = line_at(segment, offset, after)) return line;
    }
    return {};
}

}  // namespace

std::uint32_t checksum(std::string_view bytes) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return checksum_by_instruction(bytes);
#endif
    boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
    crc.process_bytes(bytes.data(), bytes.size());
    return crc.checksum();
}

std::string checksum_text(std::uint32_t sum) {
    char text[sum_digits + 1];
    std::snprintf(text, sizeof text, "%08x", sum);
    return text;
}

std::string encode_line(std::uint64_t sequence, std::uint64_t number, std::string_view members) {
    std::string tail =
        R"(,"sequence":)" + std::to_string(sequence) + R"(,"number":)" + std::to_string(number);
    if (!members.empty()) tail.append(1, ',').append(members);
    tail += "}\n";
    const std::string_view length_name = R"("length":)";
    const std::size_t without_digits = covered_from + length_name.size() + tail.size();
    std::string length = std::to_string(without_digits);
    while (std::to_string(without_digits + length.size()).size() != length.size()) {
        length = std::to_string(without_digits + length.size());
    }
    length = std::to_string(without_digits + length.size());
    const std::string covered = std::string(length_name) + length + tail;
    std::string line;
    line.reserve(covered_from + covered.size());
    line.append(before_sum).append(checksum_text(checksum(covered))).append(after_sum).append(covered);
    return line;
}

Scan scan_segment(std::string_view segment, std::uint64_t after) {
    Scan scan;
    while (scan.end < segment.size()) {
        auto line = line_at(segment, scan.end, after);
        if (!line) {
            line = next_line(segment, scan.end, after);
            if (!line) break;
            scan.damages.push_back({scan.end, line->offset - scan.end});
        }
        after = line->sequence;
        scan.end = line->offset + line->size;
        scan.lines.push_back(*line);
    }
    const std::size_t last = segment.find_last_not_of('\0');
    if (last != std::string_view::npos && last >= scan.end && segment[last] == '\n') {
        scan.damages.push_back({scan.end, last + 1 - scan.end});
        scan.end = last + 1;
    }
    return scan;
}

}  // namespace emprops::jobs::journal
