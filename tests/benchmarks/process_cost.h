#pragma once
// What a process costs, as the kernel counts it. Any thread, but one SystemCallCount at a time on one process.

#include <sys/types.h>

#include <cstdint>
#include <memory>

namespace emprops::bench {

/// CPU time of all its threads, those that have ended too (the process's CPU clock), in milliseconds.
double cpu_ms(pid_t pid);
/// Its share of the memory (PSS), in KiB; 0 where the kernel does not tell.
std::uint64_t pss_kib(pid_t pid);
/// The most that was resident since reset_peak(), in KiB.
std::uint64_t peak_kib(pid_t pid);
void reset_peak(pid_t pid);
/// How often its threads have waited and were woken.
std::uint64_t wakeups(pid_t pid);

/// Its first child; -1 when it has none.
pid_t child_of(pid_t pid);
/// 0 when the process is gone.
pid_t parent_of(pid_t pid);

/// Counts the system calls of all threads that the process has now, from construction to stop(). The process is slowed down
/// meanwhile: nothing else is to be measured in that time.
class SystemCallCount {
  public:
    explicit SystemCallCount(pid_t pid);
    ~SystemCallCount();
    /// 0 when tracing is not allowed here.
    std::uint64_t stop();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace emprops::bench
