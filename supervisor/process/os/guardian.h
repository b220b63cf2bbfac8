#pragma once
// The guardian: a tiny process above the supervisor whose only purpose is that no connector survives it.

#include <functional>

namespace emprops::process {

/// Sets right what was inherited (inherited.h) and forks. The child runs `supervisor` (in a session of its
/// own, so that a Ctrl-C is not heard twice) and exits with what it returns. The parent, the guardian,
/// forwards SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2 to it; when the supervisor has ended, however that
/// came about, it kills and reaps every process that descends from it (also those that left their process
/// group or session) and returns the supervisor's exit code, or 128 + the signal that killed it. When the
/// guardian is killed, the supervisor dies with it.
///
/// Must be called before any thread, io_context or file of the program exists: what exists is doubled by the
/// fork. Returns in the guardian only.
int run_guarded(const std::function<int()>& supervisor);

}  // namespace emprops::process
