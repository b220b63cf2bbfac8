// Runs after all tests that start processes (a CTest fixture's cleanup): nothing that they started lives on.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/process_survivors.h"

namespace emprops::test {
namespace {

std::string link_of(pid_t pid, const char* name) {
    std::error_code unreadable;
    return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/" + name, unreadable).string();
}

std::string command_line(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    for (char& c : text)
        c = c == '\0' ? ' ' : c;
    return text;
}

bool begins_with(const std::string& text, const std::string& start) {
    return text.rfind(start, 0) == 0;
}

/// Of this build: our program, or a script of this tree. Processes of other builds on this machine are none
/// of our business.
bool of_this_build(pid_t pid) {
    const auto command = command_line(pid);
    return begins_with(link_of(pid, "exe"), EMPROPS_BIN_DIR "/") ||
           command.find(EMPROPS_SOURCE_DIR "/") != std::string::npos;
}

/// Connectors and whatever they started (the supervisor marks them), and our own programs.
std::vector<pid_t> leftovers() {
    std::vector<pid_t> found;
    for (const pid_t pid : processes_with("EMPROPS_INSTANCE=")) {
        if (of_this_build(pid)) found.push_back(pid);
    }
    for (const pid_t pid : processes_with("")) {
        const auto program = link_of(pid, "exe");
        if (begins_with(program, EMPROPS_BIN_DIR "/emprops-") || program == EMPROPS_COMFYUI_DOUBLE_SERVER)
            found.push_back(pid);
    }
    return found;
}

TEST(NoLeftovers, NoProcessOfAConnectorOrOfOursLivesAfterTheTests) {
    std::vector<pid_t> left;
    wait_until([&] { return (left = leftovers()).empty(); }, Ms(10'000));
    for (const pid_t pid : left)
        ADD_FAILURE() << "left over: " << pid << " " << command_line(pid);
}

}  // namespace
}  // namespace emprops::test
