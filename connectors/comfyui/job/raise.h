#pragma once
// How a job fails: a Failure becomes what the SDK tells the supervisor.

#include "connectors/comfyui/text/failure.h"
#include "ipc/result.h"

namespace emprops::comfyui {

/// Throws JobFailure.
[[noreturn]] void raise(const Failure& failure);
/// What is wrong with a payload.
[[noreturn]] void raise_invalid(const Error& error);
/// The job was cancelled `while` something was done; empty: no matter what.
[[noreturn]] void raise_cancelled(const std::string& what = "cancelled");

}  // namespace emprops::comfyui
