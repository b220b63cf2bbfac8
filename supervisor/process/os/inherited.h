#pragma once
// What a process has from whoever started it (signal dispositions and mask, descriptors, limits, umask,
// working directory, OOM score), and what becomes of it: set right for guardian and supervisor first of all,
// and for their children between fork and exec. The one place for it.
//
//                    guardian, supervisor                     connectors and services
//   ignored signals  default; SIGHUP stays ignored until its   default
//                    handler is there (nohup); SIGPIPE and
//                    SIGXFSZ ignored: failed writes
//   blocked signals  none                                      none
//   0, 1, 2          /dev/null where closed                    pipes; all others closed
//   open files       soft limit raised to at most 65,536       as it was, unless limit_open_files
//   processes        soft limit raised to the hard one         as it was
//   umask            at least 022, ours is never masked        as it was
//   directory gone   "/"                                       one of their own
//   OOM score        as it was                                 0 where ours was below, unless oom_score_adj
//   terminal         the supervisor has a session of its own   likewise
//
// Limits that end a process (CPU time, file size, address space) are the starter's wish: they are told, not
// changed. So are nice, affinity and timers.

#include <sys/resource.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace emprops::process {

struct Inherited {
    mode_t umask = 022;
    rlimit open_files{};
    rlimit processes{};
    int oom_score_adj = 0;
    std::vector<std::string> notes;  ///< what is unusual and what was done about it, for the log
};

/// First of all in main(), for every command: 0, 1 and 2 are open, so that no file of ours can become one of
/// them and be printed into, and no signal is blocked.
void clean_start();

/// What was found, before anything was changed. The first call looks.
const Inherited& inherited();

/// First of all in what runs for long; again: nothing happens. Before any thread exists.
const Inherited& take_over();

/// In a child between fork and exec (async-signal-safe): default dispositions, nothing blocked.
void default_signals();

}  // namespace emprops::process
