// Runs a program as a container would whose seccomp profile, or whose file system, denies some system calls:
// deny_calls CALL[/COMMAND]:ERRNO... -- PROGRAM ARGUMENTS...
// CALL is a number; COMMAND, where given, the second argument of the call (fcntl).

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

sock_filter load(std::size_t offset) {
    return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}

void deny(std::vector<sock_filter>& program, const std::string& rule) {
    char* end = nullptr;
    const auto call = static_cast<std::uint32_t>(std::strtoul(rule.c_str(), &end, 10));
    const bool by_command = *end == '/';
    const auto command = by_command ? static_cast<std::uint32_t>(std::strtoul(end + 1, &end, 10)) : 0;
    const auto number = static_cast<std::uint32_t>(std::strtoul(end + 1, nullptr, 10));
    const std::uint8_t rest = by_command ? 4 : 1;
    program.push_back(load(offsetof(seccomp_data, nr)));
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, rest));
    if (by_command) {
        program.push_back(load(offsetof(seccomp_data, args) + 8));
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, command, 0, 1));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | number));
    if (by_command) program.push_back(load(offsetof(seccomp_data, nr)));
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<sock_filter> program;
    int next = 1;
    for (; next < argc && std::string_view(argv[next]) != "--"; ++next)
        deny(program, argv[next]);
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
        std::perror("deny_calls: seccomp");
        return 126;
    }
    if (next + 1 < argc) ::execvp(argv[next + 1], argv + next + 1);
    std::perror("deny_calls: exec");
    return 127;
}
