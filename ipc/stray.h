#pragma once
// What a line on a connector's stdout is that is no valid message: a print, or a message that somebody got wrong. Private
// to ipc/; the decoder asks. Pure functions, any thread.
//
// Prints come in every form: dicts, sets, loggers' JSON, text in front of a message. They must be harmless, and a message
// that was meant must be named, with its job, or that job waits until it counts as hung.

#include <string>
#include <string_view>

#include "ipc/codec.h"
#include "ipc/envelope.h"

namespace emprops::ipc {

/// A line that does not begin with `{`.
Decoded judge_text(std::string_view line, const ScanLimits& limits);
/// One that does and is not valid JSON.
Decoded judge_broken(std::string_view text, const ScanError& error);
/// A valid object that is no valid message. `reason`: why not.
Decoded judge_object(std::string_view text, const Envelope& envelope, std::string reason);

}  // namespace emprops::ipc
