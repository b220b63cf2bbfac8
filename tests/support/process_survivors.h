#pragma once
// Which processes that somebody noted in a file (one id per line) still live.

#include <filesystem>
#include <fstream>
#include <vector>

#include "tests/support/child_process.h"

namespace emprops::test {

inline std::vector<pid_t> noted(const std::filesystem::path& file) {
    std::ifstream stream(file);
    std::vector<pid_t> pids;
    for (pid_t pid = 0; stream >> pid;)
        pids.push_back(pid);
    return pids;
}

inline std::vector<pid_t> survivors(const std::filesystem::path& file) {
    std::vector<pid_t> alive;
    for (const pid_t pid : noted(file)) {
        if (process_alive(pid)) alive.push_back(pid);
    }
    return alive;
}

}  // namespace emprops::test
