#pragma once
// What a connector's result becomes before the Hub gets it. Pure functions.

#include <variant>

#include "ipc/messages.h"
#include "supervisor/jobs/types.h"

namespace emprops::jobs {

/// The bytes of a non-empty object are passed on as they are. The Hub swallows an empty result and never
/// tells the client (ipc/hub/PROTOCOL.md 8.9). So `{}` becomes {"status":"success"}, and a value that is no
/// object becomes {"status":"success","output":VALUE}. An object whose `status` is "failed" is a failure,
/// as it was for the Python worker: its `error` is the message, or an object with `code`, `message`,
/// `retryable`.
std::variant<Completed, Failed> judge_result(ipc::RawJson result);

}  // namespace emprops::jobs
