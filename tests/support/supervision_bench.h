#pragma once
// What tests of supervision measure: the memory of a process, and how often a job was started.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tests/support/sanitizer.h"

namespace emprops::test {

/// Peak resident memory of a process since its start; 0 if it is gone.
inline std::uint64_t peak_rss_bytes(int pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(file, line);) {
        if (line.rfind("VmHWM:", 0) == 0) return std::stoull(line.substr(6)) * 1024;
    }
    return 0;
}

/// Attempts per job in the order of their starts, from a file of SIMULATION_JOURNAL.
inline std::map<std::string, std::vector<int>> read_journal(const std::filesystem::path& path) {
    std::map<std::string, std::vector<int>> starts;
    std::ifstream file(path);
    std::string job_id;
    for (int attempt = 0; file >> job_id >> attempt;)
        starts[job_id].push_back(attempt);
    return starts;
}

}  // namespace emprops::test
