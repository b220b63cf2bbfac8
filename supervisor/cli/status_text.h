#pragma once
// The control API's documents as text for people, and the question whether an operation has reached its end.
// Pure.

#include <cstddef>
#include <string>

#include "ipc/messages.h"

namespace emprops::cli {

std::string status_text(const ipc::Json& status, std::size_t width);
std::string jobs_text(const ipc::Json& jobs, std::size_t width);

/// Whether what `verb` (restart, restart service, start, stop, drain, resume, reload, cancel) began is done:
/// `before` is the status before it, `now` the status after it (for cancel: the jobs document).
bool reached(const std::string& verb, const std::string& name, const ipc::Json& before, const ipc::Json& now);
/// Why it is not worth waiting for: since `before` a process that it started has died, or has failed for good.
/// Empty: nothing of that kind has happened.
std::string broken_off(const std::string& verb, const std::string& name, const ipc::Json& before,
                       const ipc::Json& now);

}  // namespace emprops::cli
