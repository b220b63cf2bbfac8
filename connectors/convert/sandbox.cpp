#include "connectors/convert/sandbox.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <string_view>

// The shadow memory of AddressSanitizer is larger than any limit.
#if defined(__SANITIZE_ADDRESS__)
#define EMPROPS_UNLIMITED_MEMORY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EMPROPS_UNLIMITED_MEMORY 1
#endif
#endif

namespace emprops::convert {
namespace {

constexpr int niceness = 10;
[[maybe_unused]] constexpr std::uint64_t most_command_memory = 16ull << 30;

Error refused(const std::string& what, int why) {
    return {"sandbox", what + ": " + std::strerror(why)};
}

Result<> limit(int resource, std::uint64_t value, const char* name) {
    // One second later the kernel kills for sure.
    const rlimit limits{static_cast<rlim_t>(value),
                        static_cast<rlim_t>(resource == RLIMIT_CPU ? value + 1 : value)};
    rlimit now{};
    if (::getrlimit(static_cast<__rlimit_resource_t>(resource), &now) == 0 &&
        now.rlim_max < limits.rlim_max) {
        return Ok{};  // it is lower already
    }
    if (::setrlimit(static_cast<__rlimit_resource_t>(resource), &limits) == 0) return Ok{};
    return refused(std::string(name) + " cannot be limited", errno);
}

bool write_file(const char* path, const std::string& text) {
    const int file = ::open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return false;
    const bool done = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::close(file);
    return done;
}

/// Calls of a process that only computes.
constexpr int allowed[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(ftruncate),
    SCMP_SYS(close),
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(exit),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit_group),
    SCMP_SYS(getrandom),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(msync),
#ifdef EMPROPS_UNLIMITED_MEMORY
    SCMP_SYS(sigaltstack),  // what AddressSanitizer asks at each longjmp
    SCMP_SYS(gettid),
#endif
};

}  // namespace

Result<> become_harmless() {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_DUMPABLE, 0);
    ::setpriority(PRIO_PROCESS, 0, niceness);
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return refused("it cannot do without new privileges", errno);
    return limit(RLIMIT_CORE, 0, "the core file");
}

Result<> set_limits(const Limits& limits) {
#ifndef EMPROPS_UNLIMITED_MEMORY
    if (Result<> set = limit(RLIMIT_AS, limits.memory_bytes, "memory"); !set) return set;
#endif
    if (Result<> set = limit(RLIMIT_FSIZE, limits.file_bytes, "the size of files"); !set) return set;
    if (Result<> set = limit(RLIMIT_CPU, limits.cpu_seconds, "time of the processor"); !set) return set;
    if (Result<> set = limit(RLIMIT_NPROC, 0, "processes"); !set) return set;
    return limit(RLIMIT_NOFILE, 0, "open files");
}

Result<> set_command_limits(std::uint64_t cpu_seconds, std::uint64_t file_bytes) {
    if (Result<> set = limit(RLIMIT_FSIZE, file_bytes, "the size of files"); !set) return set;
#ifndef EMPROPS_UNLIMITED_MEMORY
    if (Result<> set = limit(RLIMIT_DATA, most_command_memory, "memory"); !set) return set;
#endif
    return limit(RLIMIT_CPU, cpu_seconds, "time of the processor");
}

Result<> deny_calls() {
    const std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)),
                                                                   seccomp_release);
    if (filter == nullptr) return refused("no filter of calls can be made", ENOMEM);
    int failed = 0;
    for (const int call : allowed)
        if (failed == 0) failed = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0);
    // Memory that is never a program.
    for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)})
        if (failed == 0)
            failed = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 1,
                                      SCMP_A2(SCMP_CMP_MASKED_EQ, static_cast<scmp_datum_t>(PROT_EXEC), 0));
    if (failed == 0) failed = seccomp_load(filter.get());
    if (failed == 0) return Ok{};
    return refused("calls cannot be filtered here", -failed);
}

Result<> leave_network() {
    if (::unshare(CLONE_NEWNET) == 0) return Ok{};
    const std::string user = std::to_string(::geteuid()), group = std::to_string(::getegid());
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return refused("it may have no network of its own", errno);
    // Who is nobody may not be asked who he is: files stay reachable, names do not.
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", user + " " + user + " 1");
    write_file("/proc/self/gid_map", group + " " + group + " 1");
    return Ok{};
}

}  // namespace emprops::convert
