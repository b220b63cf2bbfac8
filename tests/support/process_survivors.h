#pragma once
// Which processes still live: those that somebody noted in a file (one id per line), or those with a mark in
// their environment.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
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

/// Living processes whose environment holds this text, for example "HOME=/tmp/x".
inline std::vector<pid_t> processes_with(const std::string& mark) {
    std::vector<pid_t> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const auto name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        std::ifstream file(entry.path() / "environ", std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        if (text.find(mark) != std::string::npos && process_alive(std::stoi(name)))
            found.push_back(std::stoi(name));
    }
    return found;
}

}  // namespace emprops::test
