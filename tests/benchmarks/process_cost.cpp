#include "tests/benchmarks/process_cost.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace emprops::bench {
namespace fs = std::filesystem;
namespace {

fs::path proc(pid_t pid) {
    return fs::path("/proc") / std::to_string(pid);
}

std::vector<pid_t> threads_of(pid_t pid) {
    std::vector<pid_t> threads;
    std::error_code gone;
    for (const auto& each : fs::directory_iterator(proc(pid) / "task", gone))
        threads.push_back(static_cast<pid_t>(std::stol(each.path().filename().string())));
    return threads;
}

/// The number behind `name`, as in /proc/PID/status.
std::uint64_t field(const fs::path& file, const std::string& name) {
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);)
        if (line.rfind(name, 0) == 0) return std::stoull(line.substr(name.size()));
    return 0;
}

}  // namespace

double cpu_ms(pid_t pid) {
    clockid_t clock{};
    timespec time{};
    if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return 0;
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

std::uint64_t pss_kib(pid_t pid) {
    return field(proc(pid) / "smaps_rollup", "Pss:");
}

std::uint64_t peak_kib(pid_t pid) {
    return field(proc(pid) / "status", "VmHWM:");
}

void reset_peak(pid_t pid) {
    std::ofstream(proc(pid) / "clear_refs") << "5";
}

std::uint64_t wakeups(pid_t pid) {
    std::uint64_t sum = 0;
    for (const pid_t thread : threads_of(pid))
        sum += field(proc(pid) / "task" / std::to_string(thread) / "status", "voluntary_ctxt_switches:");
    return sum;
}

pid_t child_of(pid_t pid) {
    pid_t child = -1;
    std::ifstream(proc(pid) / "task" / std::to_string(pid) / "children") >> child;
    return child;
}

pid_t parent_of(pid_t pid) {
    return static_cast<pid_t>(field(proc(pid) / "status", "PPid:"));
}

/// The tracing thread: ptrace belongs to the thread that has attached.
struct SystemCallCount::State {
    std::atomic<bool> stopping = false;
    std::atomic<std::uint64_t> count = 0;
    std::promise<void> attached;
    std::thread thread;

    void run(pid_t pid) {
        std::map<pid_t, bool> inside;  // by thread: between the entry and the return of a call
        for (const pid_t each : threads_of(pid)) {
            if (::ptrace(PTRACE_SEIZE, each, nullptr, PTRACE_O_TRACESYSGOOD) != 0) continue;
            ::ptrace(PTRACE_INTERRUPT, each, nullptr, nullptr);
            inside[each] = false;
        }
        bool told = false;
        std::size_t waiting = inside.size();  // for their first stop
        if (waiting == 0) attached.set_value();
        while (!stopping && !inside.empty()) {
            int status = 0;
            const pid_t each = ::waitpid(-1, &status, __WALL | __WNOTHREAD | WNOHANG);
            if (each == 0) {
                ::usleep(20);
                continue;
            }
            if (each < 0) break;
            if (!WIFSTOPPED(status)) {
                inside.erase(each);
                continue;
            }
            const int signal = WSTOPSIG(status);
            const bool event = status >> 16 != 0;
            const bool call = signal == (SIGTRAP | 0x80);
            if (call) {
                inside[each] = !inside[each];
                if (inside[each]) ++count;
            }
            if (event && !told && waiting > 0 && --waiting == 0) {
                told = true;
                attached.set_value();
            }
            const long deliver = call || event ? 0 : signal;
            ::ptrace(PTRACE_SYSCALL, each, nullptr, deliver);
        }
        if (!told && waiting > 0) attached.set_value();
        // With the end of this thread the kernel lets go of what it has attached to.
    }
};

SystemCallCount::SystemCallCount(pid_t pid) : state_(std::make_unique<State>()) {
    auto attached = state_->attached.get_future();
    state_->thread = std::thread([this, pid] { state_->run(pid); });
    attached.wait();
    state_->count = 0;
}

SystemCallCount::~SystemCallCount() {
    stop();
}

std::uint64_t SystemCallCount::stop() {
    state_->stopping = true;
    if (state_->thread.joinable()) state_->thread.join();
    return state_->count;
}

}  // namespace emprops::bench
