#include "supervisor/jobs/journal/recovery.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "supervisor/jobs/journal/line.h"

namespace emprops::jobs::journal {
namespace {

constexpr std::string_view segment_end = ".journal", data_end = ".data";
constexpr std::size_t id_digits = 16;

void take_lines(Recovered& all, std::uint64_t id, const std::string& bytes) {
    const Scan scan = scan_segment(bytes, all.last_sequence);
    for (const Line& line : scan.lines) {
        all.last_sequence = line.sequence;
        if (line.members == removed) {
            all.records.erase(line.number);
            continue;
        }
        auto& records = all.records[line.number];
        records.insert(records.begin(),
                       {line.sequence, id, line.offset, line.size, std::string(line.members)});
    }
    for (const Damage& damage : scan.damages) {
        all.broken.push_back({segment_name(id) + " at byte " + std::to_string(damage.offset),
                              bytes.substr(damage.offset, damage.size)});
    }
    all.segments.push_back({id, scan.end});
}

}  // namespace

std::string segment_name(std::uint64_t id) {
    char text[id_digits + 1];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(id));
    return text + std::string(segment_end);
}

std::optional<std::uint64_t> segment_id(const std::string& name) {
    if (name.size() != id_digits + segment_end.size() || !name.ends_with(segment_end)) return {};
    std::uint64_t id = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + id_digits, id, 16);
    if (error != std::errc{} || end != name.data() + id_digits) return {};
    return id;
}

std::string data_name(std::uint64_t number, std::uint64_t sequence) {
    return std::to_string(number) + "-" + std::to_string(sequence) + std::string(data_end);
}

bool is_data_name(const std::string& name) {
    return name.ends_with(data_end);
}

Result<Recovered> recover(const Disk& disk) {
    const auto names = disk.list();
    if (!names.ok()) return names.error();
    Recovered all;
    std::vector<std::uint64_t> ids;
    for (const std::string& name : *names) {
        if (const auto id = segment_id(name)) ids.push_back(*id);
        if (is_data_name(name)) all.data.push_back(name);
    }
    std::sort(ids.begin(), ids.end());
    for (const std::uint64_t id : ids) {
        if (const auto bytes = disk.read(segment_name(id)))
            take_lines(all, id, *bytes);
        else
            all.unreadable.push_back(segment_name(id));
    }
    return all;
}

}  // namespace emprops::jobs::journal
