#pragma once
// What the segments of a journal hold when nobody writes: of each assignment the records that may count, newest first.
// Blocking.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "supervisor/jobs/journal/disk.h"

namespace emprops::jobs::journal {

/// "0000000000000012.journal" is segment 18.
std::string segment_name(std::uint64_t id);
/// Empty: no segment's name.
std::optional<std::uint64_t> segment_id(const std::string& name);
/// Of a file beside the segments that holds a payload or result: "4294967297-17.data".
std::string data_name(std::uint64_t number, std::uint64_t sequence);
bool is_data_name(const std::string& name);

struct Found {
    std::uint64_t sequence = 0;
    std::uint64_t segment = 0;
    std::size_t offset = 0, size = 0;
    std::string members;
};
struct FoundSegment {
    std::uint64_t id = 0;
    std::size_t used = 0;
};
struct Broken {
    std::string where;  ///< for people: segment and place
    std::string bytes;
};
struct Recovered {
    /// By number, newest first. Those that were removed are not there.
    std::map<std::uint64_t, std::vector<Found>> records;
    std::vector<FoundSegment> segments;  ///< oldest first
    std::vector<std::string> data;       ///< files beside the segments
    std::vector<Broken> broken;
    std::vector<std::string> unreadable;  ///< names of segments
    std::uint64_t last_sequence = 0;
};

/// Members that say: this assignment is owed no more.
inline constexpr std::string_view removed = R"("state":"removed")";

Result<Recovered> recover(const Disk& disk);

}  // namespace emprops::jobs::journal
